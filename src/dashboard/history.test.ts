import { expect, test } from 'vitest';
import type { ClientStatus, ServerStatus } from '../control/status.ts';
import { History } from './history.ts';
import { columnsOf, inWords, isEmpty, plansFor } from './series.ts';

function client(bytes: number, counters: Readonly<Record<string, number>> = {}, pid = 1): ClientStatus {
  return {
    role: 'client',
    pid,
    state: 'qualified',
    server: { name: 's', address: '192.0.2.1', roundTripMs: 7 },
    peers: { trusted: 1, unverified: 0 },
    traffic: { receivedPackets: 0, receivedBytes: bytes, sentPackets: 0, sentBytes: 0 },
    counters,
  } as unknown as ClientStatus;
}

test('rates between two answers, and drops by reason', () => {
  const history = new History();
  history.add(client(0, { droppedTooBig: 5 }), 1_000);
  history.add(client(5_000, { droppedTooBig: 9, deliveredPackets: 70, 'udpSendFailures.ENOBUFS': 2 }), 3_000);
  expect(history.all).toMatchObject([{ time: 3, values: { received: 2_500, sent: 0, roundTrip: 7 } }]);
  expect([...history.all[0]!.drops]).toEqual([
    ['too big', 2],
    ['udp send failures: ENOBUFS', 1],
  ]);
  const [traffic, drops, roundTrip] = plansFor('client', history.all);
  expect(inWords(traffic!, columnsOf(traffic!, history.all))).toBe(
    'Traffic, now: received 2.5 kB/s, sent 0 B/s',
  );
  expect(drops!.series.map(({ title }) => title)).toEqual(['too big', 'udp send failures: ENOBUFS']);
  expect(inWords(roundTrip!, columnsOf(roundTrip!, history.all))).toMatch(/round trip 7\.0 ms$/);
});

test('a restarted daemon counts from 0 again: no rate spans two processes', () => {
  const history = new History();
  history.add(client(9_000), 1_000);
  history.add(client(50, {}, 2), 2_000);
  expect(history.all).toEqual([]);
});

test('the lines have a gap while there is no answer, however long', () => {
  const history = new History();
  for (const second of [1, 2]) history.add(client(0), second * 1_000);
  for (const second of [3, 4]) history.gap(second * 1_000);
  const [traffic, drops] = plansFor('client', history.all);
  expect(columnsOf(traffic!, history.all)[1]).toEqual([0, null]);
  expect(isEmpty(columnsOf(drops!, history.all))).toBe(true);
});

test('ten minutes are kept', () => {
  const history = new History();
  for (let second = 0; second <= 700; second++) history.add(client(second), second * 1_000);
  expect([history.all.length, history.all.at(-1)!.time]).toEqual([600, 700]);
});

test('the work of a server', () => {
  const server = (count: number): ServerStatus =>
    ({
      role: 'server',
      pid: 1,
      counters: { solicitationsAnswered: count, forwardedToClients: 3 },
    }) as unknown as ServerStatus;
  const history = new History();
  history.add(server(0), 0);
  history.add(server(40), 2_000);
  expect(history.all[0]!.values).toEqual({ answered: 20, forwarded: 0 });
  expect(plansFor('server', history.all).map(({ key }) => key)).toEqual(['answers', 'drops']);
});
