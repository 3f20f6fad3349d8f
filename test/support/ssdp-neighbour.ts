import type { Namespace, Running } from '../../src/lab/index.ts';

export interface NeighbourOptions {
  /** What its answers name. */
  readonly locations: readonly string[];
  /** The address that they come from. */
  readonly from?: string;
  /** Besides: answers of 60 KB, and all of it again and again for as long as somebody listens. */
  readonly isEndless?: boolean;
}

/** Answers in a host's namespace to all who search the group for a gateway; not a gateway itself. */
export async function answerSearches(host: Namespace, options: NeighbourOptions): Promise<Running> {
  const running = host.spawn(process.execPath, ['-e', `(${neighbour})(${JSON.stringify(options)})`]);
  await running.waitFor(/ready/);
  return running;
}

/** In a process of its own, which has nothing but this. */
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
