import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { ServiceAddresses } from './service-addresses.ts';
import { UdpFlow } from './udp-flow.ts';

interface Rig {
  readonly flow: UdpFlow;
  readonly answers: string[];
  readonly signs: number[];
  readonly ended: Promise<void>;
}

/** A flow to a service; `answers` has its datagrams, `signs` the number of answers before each sign of the peer. */
function flowTo(host: string, port: number): Rig {
  const [answers, signs]: [string[], number[]] = [[], []];
  let end!: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const flow = new UdpFlow(
    { addresses: new ServiceAddresses(host), port },
    {
      onAnswer: (octets) => answers.push(Buffer.from(octets).toString()),
      onEnd: end,
      onConfirmed: () => signs.push(answers.length),
    },
  );
  onTestFinished(() => flow.end());
  return { flow, answers, signs, ended };
}

async function echo(): Promise<number> {
  const service = createSocket('udp4');
  service.on('message', (octets, { port, address }) => service.send(`<${octets.toString()}>`, port, address));
  onTestFinished(() => void service.close());
  await once(service.bind(0, '127.0.0.1'), 'listening');
  return service.address().port;
}

test('datagrams go to the service, and its answers back; the peer is confirmed when it sends again after an answer', async () => {
  const { flow, answers, signs } = flowTo('127.0.0.1', await echo());
  flow.send(Buffer.from('first'));
  flow.send(Buffer.from('second'));
  await eventually(() => expect(answers).toEqual(['<first>', '<second>']));
  expect(signs).toEqual([]);
  flow.send(Buffer.from('third'));
  await eventually(() => expect(answers).toEqual(['<first>', '<second>', '<third>']));
  expect(signs).toEqual([2]);
});

test.for([
  ['only answers', 1, 20_000],
  ['a confirmed peer', 2, 120_000],
] as const)('%s: the flow ends when it was silent for its time', async ([, datagrams, idleMs]) => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { flow, answers, ended } = flowTo('127.0.0.1', await echo());
  let isOver = false;
  void ended.then(() => (isOver = true));
  for (let i = 1; i <= datagrams; i++) {
    vi.advanceTimersByTime(15_000);
    flow.send(Buffer.from('x'));
    await answered(answers, i);
  }
  vi.advanceTimersByTime(idleMs - 1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOver).toBe(false);
  vi.advanceTimersByTime(1);
  await ended;
});

async function answered(answers: readonly string[], count: number): Promise<void> {
  while (answers.length < count) await new Promise((resolve) => setImmediate(resolve));
}

// To connect to the broadcast address is refused (EACCES), as it is to a network without a route (ENETUNREACH).
test('a service that the system does not let a socket reach ends the flow, and nothing else', async () => {
  const { flow, ended } = flowTo('255.255.255.255', 53);
  flow.send(Buffer.from('question'));
  await ended;
});

test('so does a name that does not exist', async () => {
  await flowTo('no-such-name.invalid', 53).ended;
});
