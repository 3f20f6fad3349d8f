import type { Namespace, Running } from '../../src/lab/index.ts';

export interface NeighbourOptions {
  /** The URLs in its answers. */
  readonly locations: readonly string[];
  /** The address that they come from. */
  readonly from?: string;
  /** Also sends answers of 60 KB, and repeats all answers without end. */
  readonly isEndless?: boolean;
}

/** A host that is not a gateway and answers all searches for one. */
export async function answerSearches(host: Namespace, options: NeighbourOptions): Promise<Running> {
  const running = host.spawn(process.execPath, ['-e', `(${neighbour})(${JSON.stringify(options)})`]);
  await running.waitFor(/ready/);
  return running;
}

/** The code of its process. */
const neighbour = `({ locations, from, isEndless }) => {
  const { createSocket } = require('node:dgram');
  const st = 'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1';
  const answer = (location, more = '') =>
    'HTTP/1.1 200 OK\\r\\n' + more + st + '\\r\\nLOCATION: ' + location + '\\r\\n\\r\\n';
  const answers = locations.map((location) => answer(location));
  if (isEndless) answers.push(answer(locations[0], 'X: ' + 'x'.repeat(60000) + '\\r\\n'));
  const out = createSocket('udp4');
  out.on('error', () => undefined);
  const group = createSocket({ type: 'udp4', reuseAddr: true });
  group.on('message', (_, { port, address }) => {
    const send = () => answers.forEach((one) => out.send(one, port, address, () => undefined));
    send();
    console.log('answered');
    if (isEndless) setTimeout(() => clearInterval(timer), 10000);
    const timer = isEndless ? setInterval(send, 1) : undefined;
  });
  out.bind(0, from ?? '0.0.0.0', () =>
    group.bind(1900, () => {
      group.addMembership('239.255.255.250');
      console.log('ready');
    }));
}`;
