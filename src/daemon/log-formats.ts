import { fstatSync } from 'node:fs';
import type { LogLevel } from '../runtime/settings/common-options.ts';
import { UNPRINTABLE } from '../runtime/settings/quoted.ts';
import { EVENTS } from './log-events.ts';
import type { LogEntry } from './log-events.ts';

/** Makes the line of an entry. */
export type LogFormat = (entry: LogEntry) => string;

/** Characters of a message. With escapes and fields a line still fits into one write to a pipe. */
const MOST_CHARACTERS = 1_000;

const UNPRINTABLE_ONES = new RegExp(`${UNPRINTABLE.source}+`, 'gu');

/** In front of a message for people. */
const WORDS: Readonly<Record<LogLevel, string>> = {
  error: 'error: ',
  warn: 'warning: ',
  info: '',
  debug: 'debug: ',
};
/** Priorities of syslog(3), as sd-daemon(3) writes them. */
const PRIORITIES: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

/** Time, level and message. */
export function textLine({ event, message }: LogEntry): string {
  return `${localTime(new Date())} ${WORDS[EVENTS[event]]}${inOneLine(message)}`;
}

/** The journal takes the priority from the line, and adds the time. */
export function journalLine({ event, message }: LogEntry): string {
  const level = EVENTS[event];
  return `<${PRIORITIES[level]}>${WORDS[level]}${inOneLine(message)}`;
}

/** A line per event, for programs: pino's fields `level`, `time` and `msg`, and `event` with its own ones. */
export async function jsonFormat(common: () => object): Promise<LogFormat> {
  const { pino } = await import('pino');
  let line = '';
  const logger = pino(
    {
      level: 'debug',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (text) => (line = text) },
  );
  return ({ event, message, fields }) => {
    logger[EVENTS[event]]({ ...common(), event, ...fields }, inOneLine(message));
    return line.trimEnd().replaceAll(UNPRINTABLE, inEscapes);
  };
}

/** As JSON writes it without the character itself. */
function inEscapes(character: string): string {
  const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}

/** Whether stderr is the journal. systemd.exec(5): $JOURNAL_STREAM is the device and inode of a service's output. */
export function isJournal(fd: number, stream = process.env['JOURNAL_STREAM']): boolean {
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    return false; // it is closed
  }
}

/** Messages may have names and answers of other hosts in them. */
function inOneLine(message: string): string {
  return message.slice(0, MOST_CHARACTERS).replaceAll(UNPRINTABLE_ONES, ' ');
}

/** As in 2026-11-29T07:02:11.123+01:00: local time with its zone. */
function localTime(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + minutes * 60_000).toISOString().slice(0, -1);
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${local}${minutes < 0 ? '-' : '+'}${twoDigits(hours)}:${twoDigits(rest)}`;
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0');
}
