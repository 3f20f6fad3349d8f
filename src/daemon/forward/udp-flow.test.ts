import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { UdpFlow } from './udp-flow.ts';

/** A flow to a service; `answers` has its datagrams. */
function flowTo(host: string, hostPort: number): { flow: UdpFlow; answers: string[]; ended: Promise<void> } {
  const answers: string[] = [];
  let end!: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const rule = { protocol: 'udp', port: 53, host, hostPort } as const;
  const flow = new UdpFlow(rule, (octets) => answers.push(Buffer.from(octets).toString()), end);
  onTestFinished(() => flow.end());
  return { flow, answers, ended };
}

test('datagrams go to the service, and its answers back', async () => {
  const service = createSocket('udp4');
  service.on('message', (octets, { port, address }) => service.send(`<${octets.toString()}>`, port, address));
  onTestFinished(() => void service.close());
  await once(service.bind(0, '127.0.0.1'), 'listening');
  const { flow, answers } = flowTo('127.0.0.1', service.address().port);
  flow.send(Buffer.from('first'));
  await expect.poll(() => answers).toEqual(['<first>']);
  flow.send(Buffer.from('second'));
  await expect.poll(() => answers).toEqual(['<first>', '<second>']);
});

// To connect to the broadcast address is refused (EACCES), as it is to a network without a route (ENETUNREACH).
test('a service that the system does not let a socket reach ends the flow, and nothing else', async () => {
  const { flow, ended } = flowTo('255.255.255.255', 53);
  flow.send(Buffer.from('question'));
  await ended;
});

test('so does a name that does not exist', async () => {
  await flowTo('no-such-name.invalid', 53).ended;
});
