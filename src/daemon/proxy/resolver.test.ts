import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { formatHost } from '../../wire/proxy-target.ts';
import type { Failure } from './answers.ts';
import type { Asker } from './asker.ts';
import { Resolver } from './resolver.ts';
import type { SourcePath } from './source-path.ts';

const [A, AAAA] = [1, 28];
const RECORDS: Readonly<Record<string, Readonly<Record<number, readonly number[]>>>> = {
  both: { [A]: [8, 8, 8, 8], [AAAA]: [0x2a, ...Array<number>(14).fill(0), 1] },
  four: { [A]: [8, 8, 4, 4] },
};

/**
 * A name server on this host. The first label says what it does: `silent` gets no answer, `half` none for IPv4, `broken` a failure; others have the addresses of
 * {@link RECORDS}. Returns its place, and the names of all questions.
 */
async function nameServer(): Promise<{ readonly place: string; readonly asked: string[] }> {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (question: Buffer, { port, address }) => {
    const end = question.indexOf(0, 12) + 5;
    const label = question.toString('latin1', 13, 13 + question[12]!).toLowerCase();
    const type = question.readUInt16BE(end - 4);
    asked.push(label);
    if (label === 'silent' || (label === 'half' && type === A)) return;
    const record = RECORDS[label === 'half' ? 'both' : label]?.[type];
    const code = label === 'broken' ? 2 : RECORDS[label] === undefined && label !== 'half' ? 3 : 0;
    const header = [...question.subarray(0, 2), 0x81, 0x80 | code, 0, 1, 0, record ? 1 : 0, 0, 0, 0, 0];
    const tail =
      record === undefined
        ? []
        : [0xc0, 12, ...question.subarray(end - 4, end), 0, 0, 0, 60, 0, record.length, ...record];
    socket.send(Uint8Array.from([...header, ...question.subarray(12, end), ...tail]), port, address);
  });
  onTestFinished(() => void socket.close());
  await once(socket.bind(0, '127.0.0.1'), 'listening');
  return { place: `127.0.0.1:${socket.address().port}`, asked };
}

function askerOf(number = 1): Asker & { readonly leave: () => void } {
  const gone = new AbortController();
  const source: SourcePath = [number, number, number];
  return { source, gone: gone.signal, leave: () => gone.abort() };
}

async function find(
  resolver: Resolver,
  name: string,
  asker: Asker = askerOf(),
): Promise<readonly string[] | Failure> {
  const found = await resolver.addressesOf({ kind: 'name', name }, asker);
  return typeof found === 'string' ? found : found.map(formatHost);
}

test.for([
  ['both.example', ['2a00::1', '8.8.8.8'], ['2a00::1']],
  ['four.example', ['8.8.4.4'], 'not-found'],
  ['none.example', 'not-found', 'not-found'],
  ['broken.example', 'failed', 'failed'],
  ['half.example', ['2a00::1'], ['2a00::1']],
] as const)('%s', async ([name, all, ipv6]) => {
  const servers = [(await nameServer()).place];
  expect(await find(new Resolver({ ipv6Only: false, servers }), name)).toEqual(all);
  expect(await find(new Resolver({ ipv6Only: true, servers }), name)).toEqual(ipv6);
});

test('localhost is this host, and no name server is asked', async () => {
  const { place, asked } = await nameServer();
  const resolver = new Resolver({ ipv6Only: false, servers: [place] });
  expect(await find(resolver, 'a.localhost')).toEqual(['::1', '127.0.0.1']);
  expect(await find(resolver, 'localhost')).toContain('127.0.0.1');
  expect(asked).toEqual([]);
});

test('names that get no answer delay no other, and a source does not hold all places of look-ups', async () => {
  const resolver = new Resolver({ ipv6Only: false, servers: [(await nameServer()).place], most: 20 });
  const heavy = Array.from({ length: 30 }, () => askerOf(1));
  const lost = heavy.map((asker) => find(resolver, 'silent.example', asker));
  expect(await find(resolver, 'both.example', askerOf(2))).toEqual(['2a00::1', '8.8.8.8']);
  for (const { leave } of heavy) leave();
  for (const result of await Promise.all(lost)) expect(result).toBe('failed');
});

test('a client that leaves ends its look-up, whose place is free again', async () => {
  const { place, asked } = await nameServer();
  const resolver = new Resolver({ ipv6Only: false, servers: [place], most: 1 });
  const first = askerOf();
  const result = find(resolver, 'silent.example', first);
  await eventually(() => expect(asked).toContain('silent'));
  first.leave();
  expect(await result).toBe('failed');
  expect(await find(resolver, 'four.example')).toEqual(['8.8.4.4']);
});
