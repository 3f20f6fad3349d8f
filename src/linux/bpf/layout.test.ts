import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CARRIED_SILENCE_MS, PEER_VALIDITY_MS } from '../../core/constants.ts';
import { MAX_FORWARDED_TRAILER_BYTES } from '../../core/server/limits.ts';
import { OCTETS_PER_TALLY } from '../../core/users/index.ts';
import { MAX_TRAILER_BYTES } from '../../wire/index.ts';
import {
  AMEND,
  AMENDMENT,
  CONFIG,
  FAR_UNITS,
  GATEWAY_BY_ROUTE,
  HISTORY_FAILURES_SHIFT,
  HISTORY_UNWRAPS,
  INJECTED_WAY,
  KERNEL_COUNTERS,
  LONG_AGO_UNITS,
  LONG_UNIT_SHIFT,
  MAX_ARRIVALS,
  MAX_PAIR_QUEUES,
  MAX_PREFIXES,
  MAX_UPLINKS,
  MOST_OFFERS,
  NOTICE,
  NOTICE_KIND,
  OLDEST_UNITS,
  OFFER,
  OFFER_RESULT,
  PAIR_LOOK,
  PAIR_QUEUE,
  PREFIX_TALLIES,
  PEER,
  PORTS_SHIFT,
  PROOF,
  REPORT,
  ROLE,
  ROUTE_WAY_SHIFT,
  SERVED_KEY,
  UNIT_SHIFT,
  UNWRAP,
  UPLINK,
  WAY,
} from './layout.ts';
import {
  ACCESS,
  ACCESS_KEY,
  BUDGET,
  BUDGETS,
  DRIVER_LINK,
  LIMITS,
  LIMIT_HIT,
  LIMIT_SLOTS,
  MAX_DRIVER_LINKS,
  MAX_NEAR,
  MAX_RANGES,
  MODE,
  RANGE,
  SERVER_CONFIG,
  SERVER_KERNEL_COUNTERS,
} from './server-layout.ts';

const HEADER = read('teredo.h');
const SERVER_HEADER = read('server.h');
const SERVER_PROGRAM = read('server.bpf.c');
const SIZES: Readonly<Record<string, number>> = { __u8: 1, __u16: 2, __u32: 4, __u64: 8 };

function read(name: string): string {
  return readFileSync(new URL(`../../../bpf/${name}`, import.meta.url), 'utf8');
}

test('the counters are those of the programs, in their order', () => {
  const names = (header: string) => [...header.matchAll(/^\tX\((\w+)\)/gm)].map(([, name]) => name);
  expect(KERNEL_COUNTERS).toEqual(names(HEADER));
  expect(SERVER_KERNEL_COUNTERS).toEqual(names(SERVER_HEADER));
});

test('limits that the programs share with the machines are the same', () => {
  const seconds = (name: string) =>
    Number(
      new RegExp(`^#define ${name} .*\\((\\d+) \\* NS_PER_SECOND >> UNIT_SHIFT\\)`, 'm').exec(HEADER)![1],
    );
  expect(seconds('SILENCE_UNITS') * 1_000).toBe(CARRIED_SILENCE_MS);
  expect(seconds('VALIDITY_UNITS') * 1_000).toBe(PEER_VALIDITY_MS);
  expect(OCTETS_PER_TALLY).toBe(define('TALLY_OCTETS'));
  expect(define('MAX_TRAILERS', SERVER_PROGRAM)).toBe(MAX_FORWARDED_TRAILER_BYTES);
  expect(MAX_TRAILER_BYTES).toBeLessThanOrEqual(MAX_FORWARDED_TRAILER_BYTES);
});

test('so are the other constants', () => {
  expect(MAX_UPLINKS).toBe(define('MAX_UPLINKS'));
  expect(MAX_ARRIVALS).toBe(define('MAX_ARRIVALS'));
  expect(MAX_PAIR_QUEUES).toBe(define('MAX_PAIR_QUEUES'));
  expect(PORTS_SHIFT).toBe(define('PORTS_SHIFT'));
  expect(MAX_PREFIXES).toBe(define('MAX_PREFIXES'));
  expect(GATEWAY_BY_ROUTE).toBe(define('GATEWAY_BY_ROUTE'));
  expect(UNIT_SHIFT).toBe(define('UNIT_SHIFT'));
  expect(LONG_UNIT_SHIFT).toBe(define('LONG_UNIT_SHIFT'));
  expect(FAR_UNITS).toBe(define('FAR_UNITS'));
  expect(OLDEST_UNITS).toBe(define('OLDEST_UNITS'));
  expect(WAY).toEqual({
    inward: define('WAY_INWARD'),
    checked: define('WAY_CHECKED'),
    bare: define('WAY_BARE'),
    tried: define('WAY_TRIED'),
  });
  expect(UNWRAP).toEqual({
    byOneCall: define('UNWRAP_BY_ONE_CALL'),
    byTwoCalls: define('UNWRAP_BY_TWO_CALLS'),
  });
  expect(ROUTE_WAY_SHIFT).toBe(define('ROUTE_WAY_SHIFT'));
  expect(HISTORY_UNWRAPS).toBe(define('HISTORY_UNWRAPS'));
  expect(HISTORY_FAILURES_SHIFT).toBe(define('HISTORY_FAILURES_SHIFT'));
  expect(NOTICE_KIND).toEqual({
    wanted: define('NOTICE_WANTED'),
    answered: define('NOTICE_ANSWERED'),
    silent: define('NOTICE_SILENT'),
  });
  expect(OFFER_RESULT).toEqual({
    known: define('OFFER_KNOWN'),
    added: define('OFFER_ADDED'),
    elsewhere: define('OFFER_ELSEWHERE'),
    refused: define('OFFER_REFUSED'),
  });
  expect(MOST_OFFERS).toBe(define('MOST_OFFERS'));
  expect(LONG_AGO_UNITS).toBe(define('LONG_AGO_UNITS'));
  expect(AMEND).toEqual({ seen: define('AMEND_SEEN'), way: define('AMEND_WAY') });
  expect(INJECTED_WAY).toBe(define('INJECTED_WAY'));
  expect(ROLE).toEqual({
    none: define('ROLE_NONE'),
    client: define('ROLE_CLIENT'),
    relay: define('ROLE_RELAY'),
  });
  const constant = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
  for (const [name, kind] of Object.entries(BUDGETS))
    expect(kind).toBe(define(constant(name), SERVER_HEADER));
  expect(Object.keys(BUDGETS)).toHaveLength(define('BUDGETS', SERVER_HEADER));
  expect(LIMITS).toEqual({
    answers: define('LIMIT_ANSWERS', SERVER_HEADER),
    forwarded: define('LIMIT_FORWARDED', SERVER_HEADER),
    forwardedByPair: define('LIMIT_FORWARDED_BY_PAIR', SERVER_HEADER),
  });
  expect(Object.keys(LIMITS)).toHaveLength(define('LIMITS', SERVER_HEADER));
  expect(LIMIT_SLOTS).toBe(define('LIMIT_SLOTS', SERVER_HEADER));
  expect(ACCESS).toEqual({
    none: 0,
    allow: define('ACCESS_ALLOW', SERVER_HEADER),
    deny: define('ACCESS_DENY', SERVER_HEADER),
  });
  expect(MAX_RANGES).toBe(define('MAX_RANGES', SERVER_HEADER));
  expect(MAX_DRIVER_LINKS).toBe(define('MAX_DRIVER_LINKS', SERVER_HEADER));
  expect(MAX_NEAR).toBe(define('MAX_NEAR', SERVER_HEADER));
  expect(MODE).toEqual({
    off: define('MODE_OFF', SERVER_HEADER),
    watch: define('MODE_WATCH', SERVER_HEADER),
    work: define('MODE_WORK', SERVER_HEADER),
  });
});

test.each<[string, Readonly<Record<string, number>>]>([
  ['config', CONFIG],
  ['uplink', UPLINK],
  ['pair_queue', PAIR_QUEUE],
  ['pair_look', PAIR_LOOK],
  ['peer', PEER],
  ['report', REPORT],
  ['proof', PROOF],
  ['amendment', AMENDMENT],
  ['offer', OFFER],
  ['notice', NOTICE],
  ['served_key', SERVED_KEY],
  ['prefix_tallies', PREFIX_TALLIES],
  ['server_config', SERVER_CONFIG],
  ['access_key', ACCESS_KEY],
  ['range', RANGE],
  ['driver_link', DRIVER_LINK],
  ['budget', BUDGET],
  ['limit_hit', LIMIT_HIT],
])('struct %s is laid out as the compiler does', (name, layout) => {
  const { SIZE, ...offsets } = layout;
  const struct = structOf(name);
  expect(Object.values(offsets)).toEqual(struct.offsets);
  expect(SIZE).toBe(struct.size);
});

/** A type's size, and the largest alignment of its members. */
function sizeOf(type: string): { size: number; largest: number } {
  const size = SIZES[type];
  return size === undefined ? structOf(type.replace('struct ', '')) : { size, largest: size };
}

function define(name: string, header = HEADER): number {
  return Number(new RegExp(`^#define ${name} (\\w+)`, 'm').exec(header)![1]);
}

/** Each field is at a multiple of its own size, the whole at a multiple of the largest. */
function structOf(name: string): { offsets: number[]; size: number; largest: number } {
  const [, body] = new RegExp(`^struct ${name} \\{\\n([^}]*)\\}`, 'm').exec(HEADER + SERVER_HEADER)!;
  const offsets: number[] = [];
  let [end, largest] = [0, 1];
  for (const [, type, count] of body!.matchAll(/^\t(__u\d+|struct \w+) \w+(?:\[(\w+)\])?;/gm)) {
    const { size: whole, largest: size } = sizeOf(type!);
    end = Math.ceil(end / size) * size;
    offsets.push(end);
    end += whole * (Number(count ?? 1) || define(count!, SERVER_HEADER));
    largest = Math.max(largest, size);
  }
  return { offsets, size: Math.ceil(end / largest) * largest, largest };
}
