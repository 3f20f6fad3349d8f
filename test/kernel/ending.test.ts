/** Each role ends within 5 s after a signal, whatever it waits for, and whatever other hosts do. */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, until } from '../../src/lab/index.ts';
import type { Namespace, Running, Site } from '../../src/lab/index.ts';
import { describeService } from '../support/fake-gateway.ts';
import { ownStateDirectory } from '../support/port-mapping.ts';
import { spawnTeredo, startClient, startServer } from '../support/roles.ts';
import { answerSearches } from '../support/ssdp-neighbour.ts';
import { timeToEnd } from '../support/stopwatch.ts';

ownStateDirectory();

const LIMIT_MS = 5_000;

async function msToEnd(role: Running): Promise<number> {
  const ms = await timeToEnd(role.pid, role.stop());
  expect(await role.exited).toBe(0);
  return ms;
}

/** An HTTP server that answers each request with these octets, and then neither sends more nor closes. */
async function answerHttp(
  host: Namespace,
  address: string,
  answers: Readonly<Record<string, string>>,
): Promise<Running> {
  const program = `({ address, answers }) => {
    require('node:net').createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (request) => {
        const method = String(request).split(' ')[0];
        console.log('asked', method);
        socket.write(answers[method]);
      });
    }).listen(5000, address, () => console.log('ready'));
  }`;
  const running = host.spawn(process.execPath, [
    '-e',
    `(${program})(${JSON.stringify({ address, answers })})`,
  ]);
  await running.waitFor(/ready/);
  return running;
}

const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: evil\r\n\r\n';
const HALF = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<';
const DESCRIPTION = `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${describeService('/control').length}\r\n\r\n${describeService('/control')}`;

test.for([
  ['switches protocols', { GET: SWITCH }, 'GET'],
  ['stops halfway', { GET: HALF }, 'GET'],
  ['switches protocols when it is to open the port', { GET: DESCRIPTION, POST: SWITCH }, 'POST'],
] as const)('a client, while a neighbour that answers as a gateway %s', async ([, answers, last]) => {
  await using net = new Internet();
  const site: Site = net.site('a', 'port-restricted');
  const neighbour = net.lab.host('neighbour');
  net.join(site, neighbour, 7);
  const http = await answerHttp(neighbour, '10.1.0.7', answers);
  await answerSearches(neighbour, { locations: ['http://10.1.0.7:5000/'] });
  await startServer(net.server, SERVER_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  await http.waitFor(new RegExp(`asked ${last}`));
  expect(await msToEnd(client)).toBeLessThan(LIMIT_MS);
});

test('a client that is still starting: it waits for a gateway that does not answer', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  site.nat.nft(`
    table inet deaf {
      chain input {
        type filter hook input priority 0; policy accept;
        udp dport { 1900, 5351 } drop
      }
    }`);
  const client = spawnTeredo(site.client, 'client', '--server', SERVER_ADDRESS);
  await until('its interface', () => existsInterface(site.client));
  expect(await msToEnd(client)).toBeLessThan(LIMIT_MS);
});

test('a role whose service manager accepts no message', async () => {
  await using net = new Internet();
  const name = `teredo-mute-${process.pid}`;
  // Its queue is full before the role reports that it is ready.
  const program = `
import socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("\\0${name}")
c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); c.setblocking(False); c.connect("\\0${name}")
try:
    while True: c.send(b"x")
except BlockingIOError: pass
print("ready", flush=True); time.sleep(100)`;
  const manager = net.server.spawn('python3', ['-c', program]);
  await manager.waitFor(/ready/);
  const server = net.server.spawn('env', [
    `NOTIFY_SOCKET=@${name}`,
    process.execPath,
    'bin/teredo',
    'server',
    '--address',
    SERVER_ADDRESS,
    '--name',
    `mute-manager-${process.pid}`,
  ]);
  await server.waitFor(/is running/);
  expect(await msToEnd(server)).toBeLessThan(LIMIT_MS);
});

function existsInterface(host: Namespace): true | undefined {
  return host.ip('-o', 'link').includes('teredo') ? true : undefined;
}
