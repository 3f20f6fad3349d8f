/** A worker of a server in memory: its thread is played. */
import { expect, onTestFinished, test } from 'vitest';
import { MAPPED, PRIMARY, at, seededEntropy, teredo } from '../../../test/support/client-rig.ts';
import { access } from '../../../test/support/access.ts';
import { solicitation } from '../../../test/support/server-rig.ts';
import { payloadOf } from '../../../test/support/vectors.ts';
import { SERVER_COUNTERS, SERVER_LIMITS } from '../../core/server/index.ts';
import { EnvironmentError } from '../../io/errors.ts';
import { MemoryClock } from '../../io/memory-clock.ts';
import { MemoryPorts } from '../../io/memory-ports.ts';
import { MemoryIpv4Network } from '../../io/memory-udp.ts';
import type { WorkerPorts } from '../../io/workers/worker-ports.ts';
import { buildBubble, toHex } from '../../wire/index.ts';
import type { ServerWorkerData, ServerWorkerState } from './server-messages.ts';
import type { FromWorker } from './worker-messages.ts';
import { ServerWorkerPart } from './server-worker-part.ts';

const LIMIT = { perSecond: 0, burst: 8 };
const NONE = { perSecond: 0, burst: 0 };
const FAIR = { shared: LIMIT, member: NONE, reserve: NONE };
const LIMITS = { ...SERVER_LIMITS, answers: FAIR, forwarded: FAIR, forwardedByPair: FAIR };
const OWN = teredo(PRIMARY, MAPPED);
const BUBBLE = buildBubble(OWN, OWN, 21);

/** A worker that serves, and a client of it. */
function rig(state: Partial<ServerWorkerState> = {}, refusal?: Error) {
  const wire = new MemoryIpv4Network();
  const clock = new MemoryClock();
  const ports = new MemoryPorts(wire, [PRIMARY.address], seededEntropy(1), clock);
  const adopt: Partial<WorkerPorts> = {
    adoptUdp: (_, options) => {
      if (refusal !== undefined) throw refusal;
      return ports.openUdp(options);
    },
  };
  const counters = new SharedArrayBuffer(8 * SERVER_COUNTERS.length);
  const data: ServerWorkerData = {
    settings: { address: PRIMARY.address, native: false },
    primary: 100,
    secondary: undefined,
    counters,
    access: {},
    limits: LIMITS,
    parts: { answers: 1, forwarded: 1 },
    keys: undefined,
    subnets: [],
    ...state,
  };
  const said: FromWorker[] = [];
  let tell!: (message: object) => void;
  let isClosed = false;
  const parent = {
    data,
    post: (message: object) => void said.push(structuredClone(message) as FromWorker),
    onMessage: (handle: (message: object) => void) => void (tell = handle),
    close: () => void (isClosed = true),
  };
  new ServerWorkerPart(parent, Object.assign(ports, { workers: adopt as WorkerPorts })).start();
  onTestFinished(() => tell({ type: 'close' }));
  const client = wire.bind(MAPPED.address, MAPPED.port, MAPPED.address);
  let heard = 0;
  client.start(({ count }) => (heard += count));
  /** How many of twenty the worker answers, or forwards. */
  const got = async (payload: Uint8Array): Promise<number> => {
    heard = 0;
    for (let i = 0; i < 20; i++) client.send(payload, 0, payload.length, PRIMARY.address, PRIMARY.port);
    client.flush();
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    return heard;
  };
  const change = (next: Partial<ServerWorkerState>): void => tell({ type: 'change', state: next });
  const shown = (name: (typeof SERVER_COUNTERS)[number]): number =>
    new Float64Array(counters)[SERVER_COUNTERS.indexOf(name)]!;
  return {
    said,
    tell: (message: object) => tell(message),
    change,
    got,
    shown,
    clock,
    closed: () => isClosed,
  };
}

test('it serves with its part of the limits, and shows its counters at once', async () => {
  const { said, got, shown } = rig();
  expect(said).toEqual([{ type: 'ready' }]);
  expect([await got(solicitation()), await got(BUBBLE)]).toEqual([8, 8]);
  expect([shown('solicitationsAnswered'), shown('droppedAnswerLimit')]).toEqual([8, 12]);
  expect(shown('receivedDatagrams')).toBe(40);
});

test('another part starts the counts of its own limit again, and of no other', async () => {
  const { got, change } = rig({ parts: { answers: 1, forwarded: 1 } });
  expect([await got(solicitation()), await got(BUBBLE)]).toEqual([8, 8]);
  change({ parts: { answers: 1 / 4, forwarded: 1 } });
  expect([await got(solicitation()), await got(BUBBLE)]).toEqual([2, 0]);
  change({ parts: { answers: 1 / 4, forwarded: 1 / 4 } });
  expect([await got(solicitation()), await got(BUBBLE)]).toEqual([0, 2]);
});

test('changes: access, limits, subnets', async () => {
  const { got, change, shown } = rig({ limits: SERVER_LIMITS });
  change({ access: access('-192.0.2.0/24') });
  expect([await got(solicitation()), shown('droppedDenied')]).toEqual([0, 20]);
  change({ access: {} });
  change({ limits: LIMITS });
  expect(await got(solicitation())).toBe(8);
  change({ subnets: [{ address: at('192.0.2.254:1').address, prefixLength: 24, interface: 'lan' }] });
  expect(await got(solicitation())).toBe(0);
});

test('only clients with a key are answered, and other keys may come', async () => {
  const key = { secret: new TextEncoder().encode('s3cret') };
  const name = toHex(new TextEncoder().encode('client-1'));
  const { got, change } = rig({ keys: new Map([[name, key]]) });
  expect([await got(payloadOf('EX3')), await got(solicitation())]).toEqual([8, 0]);
  change({ keys: new Map() });
  expect(await got(payloadOf('EX3'))).toBe(0);
});

test('reports come together, a quarter of a second after the first input, and at the end', async () => {
  const { said, got, clock, tell, closed } = rig();
  await got(solicitation());
  clock.advance(249);
  expect(said).toHaveLength(1);
  clock.advance(1);
  const report = { type: 'report', limits: [{ limit: 'answers', times: 12, subjects: [{ kind: 'ipv4' }] }] };
  expect(said.slice(1)).toMatchObject([report]);
  clock.advance(10_000);
  expect(said).toHaveLength(2);
  tell({ type: 'ping' });
  expect(said.at(-1)).toEqual({ type: 'pong' });
  await got(solicitation());
  tell({ type: 'close' });
  expect(said.slice(3)).toMatchObject([{ type: 'report', limits: [{ times: 20 }] }]);
  expect(closed()).toBe(true);
});

test('what it cannot open it says', () => {
  const { said } = rig({}, new EnvironmentError('not-permitted', 'no rights'));
  expect(said).toEqual([{ type: 'refused', code: 'not-permitted', message: 'no rights' }]);
});
