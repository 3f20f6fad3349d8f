import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { EVENTS } from './log-events.ts';
import { isJournal, journalLine, jsonFormat, textLine } from './log-formats.ts';

const ENTRY = { event: 'qualified', message: 'qualified: 2001::1', fields: { nat: 'cone' } } as const;
const FAILURE = { event: 'failed', message: 'the interface was removed', fields: {} } as const;

test('a line for people has time, zone, level and message', () => {
  expect(textLine(ENTRY)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d qualified: 2001::1$/);
  const [time] = textLine(ENTRY).split(' ');
  expect(Math.abs(Date.parse(time!) - Date.now())).toBeLessThan(60_000);
  expect(textLine(FAILURE)).toMatch(/ error: the interface was removed$/);
});

test('a line for the journal has the priority of its level, and no time', () => {
  expect(journalLine(ENTRY)).toBe('<6>qualified: 2001::1');
  expect(journalLine(FAILURE)).toBe('<3>error: the interface was removed');
  expect(journalLine({ ...FAILURE, event: 'warning' })).toBe('<4>warning: the interface was removed');
});

test('a line for programs is an object with level, time, event, fields and message', async () => {
  const format = await jsonFormat(() => ({ role: 'client', name: 'home' }));
  const line = JSON.parse(format(ENTRY)) as Record<string, unknown>;
  expect(Object.keys(line)).toEqual(['level', 'time', 'role', 'name', 'event', 'nat', 'msg']);
  expect(line).toMatchObject({
    level: 'info',
    role: 'client',
    name: 'home',
    event: 'qualified',
    nat: 'cone',
  });
  expect(new Date(line['time'] as string).toISOString()).toBe(line['time']);
  expect(JSON.parse(format({ ...FAILURE, fields: { reason: undefined } }))).not.toHaveProperty('reason');
});

test('line breaks and terminal sequences in a message stay in its line', async () => {
  const evil = { ...FAILURE, message: 'the server "a\n<0>\u001b[2Jb\u009bc" is unknown' };
  expect(journalLine(evil)).toBe('<3>error: the server "a <0> [2Jb c" is unknown');
  expect(textLine(evil).split('\n')).toHaveLength(1);
  expect(JSON.parse((await jsonFormat(() => ({})))(evil))).toMatchObject({
    msg: 'the server "a <0> [2Jb c" is unknown',
  });
});

test('characters that turn a line round or are not seen are none of a line', async () => {
  const message = 'the server "a\u202eb\u2028c\u{e0041}d" is unknown';
  expect(journalLine({ ...FAILURE, message })).toBe('<3>error: the server "a b c d" is unknown');
  const fields = { data: 'a\u202eb\u009bc\u{e0041}d' };
  const line = (await jsonFormat(() => ({})))({ ...FAILURE, fields } as never);
  expect(line).toContain(String.raw`"data":"a\u202eb\u009bc\udb40\udc41d"`);
  expect(JSON.parse(line)).toMatchObject(fields);
});

test('the longest message fits into one write to a pipe', async () => {
  const long = { ...FAILURE, message: '\u{10ffff}"'.repeat(10_000) };
  for (const format of [textLine, journalLine, await jsonFormat(() => ({ name: 'x'.repeat(64) }))])
    expect(Buffer.byteLength(format(long))).toBeLessThan(4_096);
});

test('stderr is the journal where JOURNAL_STREAM has its device and inode', () => {
  const fd = openSync('/dev/null', 'r');
  const { dev, ino } = fstatSync(fd);
  expect(isJournal(fd, `${dev}:${ino}`)).toBe(true);
  expect(isJournal(fd, `${dev}:${ino + 1}`)).toBe(false);
  expect(isJournal(fd, '')).toBe(false);
  expect(isJournal(fd, undefined)).toBe(false);
  closeSync(fd);
  expect(isJournal(fd, `${dev}:${ino}`)).toBe(false);
});

test('the guide has all events with their levels', () => {
  const page = readFileSync(new URL('../../docs/guide/log.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \| (error|warn|info|debug) \|/gm)];
  expect(Object.fromEntries(rows.map(([, event, level]) => [event, level]))).toEqual(EVENTS);
});
