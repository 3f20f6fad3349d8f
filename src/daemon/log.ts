import { LogLines } from '../io/log-lines.ts';
import { counted } from '../runtime/counted.ts';
import type { DataPath } from '../runtime/data-path-use.ts';
import { LOG_LEVELS } from '../runtime/settings/common-options.ts';
import type { LogFormatName, LogLevel } from '../runtime/settings/common-options.ts';
import { printableLines } from '../runtime/settings/quoted.ts';
import { dataPathInWords } from './data-path-status.ts';
import { EVENTS } from './log-events.ts';
import type { LogEntry, LogEvent, LogFields } from './log-events.ts';
import { isJournal, journalLine, jsonFormat, textLine } from './log-formats.ts';
import type { LogFormat } from './log-formats.ts';
import { recentEvents } from './recent-events.ts';

const STDERR = 2;
const WARNING = 'warning: ';

/** They may be left out where none is required. */
type FieldsOf<E extends LogEvent> = keyof LogFields<E> extends never
  ? []
  : object extends LogFields<E>
    ? [fields?: LogFields<E>]
    : [fields: LogFields<E>];

let level: LogLevel = 'info';
let format: LogFormat = textLine;
/** Fields of every line of a role. */
let common: object = {};
let isOpen = false;
const lines = new LogLines(
  STDERR,
  (lost) => format(entryOfLoss(lost)),
  (lost) => recentEvents.note(entryOfLoss(lost)),
);

/** The log of a role, on stderr. Before this, failures are lines for the user of a command. */
export async function openLog(options: {
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormatName;
}): Promise<void> {
  setLevel(options.logLevel);
  format = await formatOf(options.logFormat);
  isOpen = true;
}

/** Lines of this level and the more important ones are written from now on. */
export function setLevel(wanted: LogLevel): void {
  level = wanted;
}

/** Adds the daemon's role and name to lines for programs. */
export function identify(role: string, name: string): void {
  common = { role, name, pid: process.pid };
}

/** `fields`: those of the event, if it has any. */
export function say<E extends LogEvent>(event: E, message: string, ...[fields]: FieldsOf<E>): void {
  emit({ event, message, fields: fields ?? {} } as LogEntry, EVENTS[event]);
}

/** As {@link say}, but with the warnings: the user of a command that logs no more than them waits for these events. */
export function announce<E extends LogEvent>(event: E, message: string, ...[fields]: FieldsOf<E>): void {
  emit({ event, message, fields: fields ?? {} } as LogEntry, 'warn');
}

/** The line is written where those of level `as` are. */
function emit(entry: LogEntry, as: LogLevel): void {
  recentEvents.note(entry);
  if (LOG_LEVELS.indexOf(as) <= LOG_LEVELS.indexOf(level)) lines.write(format(entry));
}

/** A line of a part that knows no events; it is a warning if it begins so. */
export function sayText(text: string): void {
  if (text.startsWith(WARNING)) say('warning', text.slice(WARNING.length));
  else say('notice', text);
}

/** A warning of a role; `kind`: that a limit is reached. */
export function sayWarning(message: string, kind?: 'limit'): void {
  say(kind === 'limit' ? 'limit-reached' : 'warning', message);
}

/** The program ends with this error. */
export function sayFailure(message: string): void {
  if (isOpen && format !== textLine) say('failed', message);
  else process.stderr.write(`teredo: ${printableLines(message)}\n`);
}

function entryOfLoss(lost: number): LogEntry<'lines-lost'> {
  const message = `lost ${counted(lost, 'line')} of this log: its reader had stopped, or its disk was full`;
  return { event: 'lines-lost', message, fields: { lost } };
}

/** Says at the start why the kernel does not do the work, or which rules of the host could not be read. */
export function sayWhyNotKernel(dataPath: DataPath): void {
  recentEvents.noteDataPath(dataPath.kind);
  if (dataPathInWords(dataPath) !== dataPath.kind) sayDataPath(dataPath);
}

/** A restarted role has these peers from the last process. */
export function sayTakenOver(peers: number): void {
  if (peers > 0) say('taken-over', `${counted(peers, 'peer')} taken over from the last process`, { peers });
}

export function sayDataPath(path: DataPath): void {
  recentEvents.noteDataPath(path.kind);
  say('data-path', `data path: ${dataPathInWords(path)}`, { path: path.kind });
}

async function formatOf(name: LogFormatName): Promise<LogFormat> {
  if (name === 'json') return jsonFormat(() => common);
  return name === 'journal' || (name === 'auto' && isJournal(STDERR)) ? journalLine : textLine;
}
