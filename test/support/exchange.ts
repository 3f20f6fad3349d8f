import type { Namespace } from '../../src/lab/index.ts';

/** Makes requests over one TCP connection, one after the other; returns how many took longer than `mostMs`. */
export async function slowExchanges(
  from: Namespace,
  to: Namespace,
  address: string,
  { octets, count }: { octets: number; count: number },
  mostMs: number,
): Promise<number> {
  const server = to.spawn(process.execPath, ['-e', SERVER, String(octets)]);
  try {
    const [, port] = await server.waitFor(/port (\d+)/);
    const client = from.spawn(process.execPath, [
      '-e',
      CLIENT,
      address,
      port!,
      String(octets),
      String(count),
      String(mostMs),
    ]);
    const [, slow] = await client.waitFor(/slow (\d+)/, 60_000);
    return Number(slow);
  } finally {
    await server.stop();
  }
}

const SERVER = `
  const octets = +process.argv[1];
  require('net').createServer({ noDelay: true }, (socket) => {
    let got = 0;
    socket.on('error', () => {});
    socket.on('data', ({ length }) => {
      for (got += length; got >= octets; got -= octets) socket.write(Buffer.alloc(octets, 7));
    });
  }).listen(0, '::', function () { console.log('port ' + this.address().port); });`;

const CLIENT = `
  const [address, port, octets, count, most] = [process.argv[1], ...process.argv.slice(2).map(Number)];
  let [got, done, slow, at] = [0, 0, 0, 0];
  const socket = require('net').connect({ host: address, port, noDelay: true });
  const ask = () => { at = performance.now(); socket.write(Buffer.alloc(octets, 3)); };
  socket.on('connect', ask);
  socket.on('data', ({ length }) => {
    if ((got += length) < octets) return;
    got = 0;
    if (performance.now() - at > most) slow++;
    if (++done < count) return ask();
    console.log('slow ' + slow);
    socket.destroy();
  });`;
