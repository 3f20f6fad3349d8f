import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CLIENT_LIMITS } from '../core/client/index.ts';
import { LimitHits } from '../core/limit-hits.ts';
import { RELAY_LIMITS } from '../core/relay/index.ts';
import { SERVER_LIMITS } from '../core/server/index.ts';
import { MemoryClock } from '../io/memory-clock.ts';
import { EFFECTS, LimitLog } from './limit-log.ts';

function rig() {
  const clock = new MemoryClock();
  const hits = new LimitHits();
  const said: [number, string][] = [];
  const log = new LimitLog(hits, clock, (line) => said.push([clock.now() / 1000, line]));
  /** So many within a second. */
  const second = (times: number, address = 0xc0000201): void => {
    hits.ipv4('answers', address, times);
    log.trigger();
    clock.advance(1_000);
  };
  return { clock, hits, said, log, second };
}

test('a burst is said after a second, and its rest when it is over', () => {
  const { clock, said, second } = rig();
  for (let i = 0; i < 5; i++) second(4_000);
  clock.advance(600_000);
  expect(said).toEqual([
    [1, 'limit answers reached by 192.0.2.1, 4,000 answers not sent within 1 s'],
    [11, 'limit answers reached by 192.0.2.1, 16,000 answers not sent within 10 s'],
  ]);
});

test('a limit that stays reached is reported once a minute', () => {
  const { said, second } = rig();
  for (let i = 0; i < 300; i++) second(10);
  expect(said.map(([at]) => at)).toEqual([1, 61, 121, 181, 241]);
  expect(said[1]![1]).toBe('limit answers reached by 192.0.2.1, 600 answers not sent within 60 s');
});

test('bursts again and again are no more than three lines a minute, and none is lost', () => {
  const { clock, said, second } = rig();
  for (let i = 0; i < 30; i++) {
    second(10);
    clock.advance(9_000);
  }
  clock.advance(120_000);
  const counted = said.map(([, line]) => Number(/, (\d+) answers/.exec(line)![1]));
  expect(counted.reduce((a, b) => a + b, 0)).toBe(300);
  expect(said.length).toBeLessThanOrEqual(12);
});

test('a limit is a recent one from its first hit until a minute after the last line', () => {
  const { clock, hits, log, second } = rig();
  expect(log.recent).toEqual([]);
  hits.ipv4('answers', 0xc0000201);
  expect(log.recent).toEqual(['answers']);
  second(1);
  clock.advance(30_000);
  expect(log.recent).toEqual(['answers']);
  clock.advance(60_000);
  expect(log.recent).toEqual([]);
});

test('the end reports the hits that are not yet reported', () => {
  const { said, hits, log, second } = rig();
  second(10);
  hits.ipv4('answers', 0xc0000201);
  hits.uid('control-socket', 65534, 7);
  log.close();
  log.trigger();
  expect(said.map(([, line]) => line)).toEqual([
    'limit answers reached by 192.0.2.1, 10 answers not sent within 1 s',
    'limit answers reached by 192.0.2.1, 1 answer not sent within 1 s',
    'limit control-socket reached by the local user 65534, 7 connections refused within 1 s',
  ]);
});

test('the three that count most are named, networks as networks', () => {
  const { clock, hits, said, log } = rig();
  hits.network('by-source', 0x20010db8, 2, 1_000);
  hits.network('by-source', 0x20010db8, 3, 500);
  hits.ipv4('by-source', 0xc0000201, 1);
  log.trigger();
  clock.advance(1_000);
  hits.others('by-source', 9);
  clock.advance(60_000);
  expect(said.map(([, line]) => line)).toEqual([
    'limit by-source reached by 2001:db8:0:2::/64 (1,000 times), 2001:db8:0:3::/64 (500 times) and others, 1,501 packets dropped within 1 s',
    'limit by-source reached by many addresses, 9 packets dropped within 10 s',
  ]);
});

test('one hit is one time', () => {
  const { clock, hits, said, log } = rig();
  hits.network('by-source', 0x20010db8, 2, 2);
  hits.network('by-source', 0x20010db8, 3, 1);
  log.trigger();
  clock.advance(1_000);
  expect(said[0]?.[1]).toContain('2001:db8:0:2::/64 (2 times) and 2001:db8:0:3::/64 (1 time), 3 packets');
});

test('another limit has its own line, and after a minute without hits each is reported again', () => {
  const { clock, hits, said, log, second } = rig();
  second(1);
  hits.ipv4('meeting', 0xc0000201);
  clock.advance(4_000);
  clock.advance(120_000);
  second(1);
  log.close();
  expect(said.map(([at, line]) => `${at} ${line.split(' ')[1]}`)).toEqual([
    '1 answers',
    '6 meeting',
    '126 answers',
  ]);
});

test('there is a line for each limit that can be set, and the docs have the names of all', () => {
  const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const settable = [SERVER_LIMITS, RELAY_LIMITS, CLIENT_LIMITS].flatMap((limits) =>
    Object.keys(limits).map(kebab),
  );
  // Answers that earn no more cost no one else tokens; of peers there are two kinds.
  const noted = settable.filter((name) => !name.endsWith('-earnings') && name !== 'peers');
  for (const name of noted) expect(EFFECTS).toHaveProperty(name);
  const docs = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8');
  for (const name of Object.keys(EFFECTS)) expect(docs).toMatch(new RegExp(`\`${name}[.\`]`));
});
