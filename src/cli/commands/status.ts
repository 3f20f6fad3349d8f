import { Command } from 'commander';
import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import type { ExitCode } from '../../daemon/exit-codes.ts';
import { isReady } from '../../daemon/readiness.ts';
import { jsonText, tableLines } from '../output.ts';
import { furtherRows } from '../status/all-rows.ts';
import { rowsOf } from '../status/rows.ts';
import { look, lookAgain, trafficOf } from '../status/sample.ts';
import type { Look, Sample } from '../status/sample.ts';
import { printFrame, watch } from '../status/watch.ts';
import type { Frame } from '../status/watch.ts';
import { exitCodeOfSilent, reading } from './ask-daemon.ts';

/** Rates are those of this time. */
const RATE_MS = 500;

interface StatusOptions {
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly watch?: boolean;
}

const HELP = `
Exit status: 0 when all daemons that are shown work; 1 when a client among them is offline or still looks for a server (probe), a relay drains,
or the host of a relay does not forward IPv6. A client that rests because the host has native IPv6 (dormant, --only-without-ipv6) works as
wanted. When one of several daemons gives no answer: 5 timed out, 1 it ended, 4 not permitted. The same holds with --json, and for the
last look of --watch. Without any answer: 1 failed, 3 no such daemon, 4 not permitted, 5 timed out.`;

/** `teredo status`: the state of the daemons. */
export function statusCommand(finish: (exitCode: number) => void): Command {
  return new Command('status')
    .description('state of the running daemons: whether they work, addresses, NAT, traffic')
    .argument('[name]', 'of this daemon only')
    .option('--json', 'print JSON, one line a daemon')
    .option('--verbose', 'settings, uplinks and all counters, too')
    .option('--watch', 'again every second, until interrupted; a terminal is redrawn in place')
    .addHelpText('after', HELP)
    .action(async (name: string | undefined, options: StatusOptions) => {
      const frameOf = (found: Look): Frame =>
        options.json === true ? jsonFrame(found) : textFrame(found, options);
      if (options.watch === true) return watch((before) => look(name, before?.samples), frameOf);
      let found = await look(name);
      if (options.json !== true && found.samples.some(hasTraffic)) found = await lookAgain(found, RATE_MS);
      const frame = frameOf(found);
      printFrame(frame);
      finish(frame.exitCode);
    });
}

function jsonFrame(found: Look): Frame {
  const { samples, failures } = found;
  return {
    lines: samples.map(({ status }) => jsonText(status)),
    complaints: failures.map(({ message }) => message),
    exitCode: exitCodeOf(found),
  };
}

/** A daemon that cannot be shown hides no other. */
function textFrame(found: Look, options: StatusOptions): Frame {
  const { samples, failures } = found;
  const lines: string[] = [];
  const complaints = failures.map(({ message }) => message);
  let isAllShown = true;
  for (const sample of samples) {
    try {
      const rows = reading(`"${sample.status.name}"`, () => linesOf(sample, options));
      lines.push(...(lines.length > 0 ? ['', ...rows] : rows));
    } catch (error) {
      if (!(error instanceof CommandFailure)) throw error;
      complaints.push(error.message);
      isAllShown = false;
    }
  }
  return { lines, complaints, exitCode: isAllShown ? exitCodeOf(found) : EXIT.FAILED };
}

function exitCodeOf({ samples, silent }: Look): ExitCode {
  return exitCodeOfSilent(silent) ?? (samples.every(isServing) ? EXIT.OK : EXIT.FAILED);
}

function linesOf(sample: Sample, { verbose = false }: StatusOptions): string[] {
  const rows = rowsOf(sample);
  const shown = new Set(rows.map(([name]) => name));
  const further = verbose ? furtherRows(sample.status).filter(([name]) => !shown.has(name)) : [];
  return tableLines([...rows, ...further]);
}

function isServing({ status }: Sample): boolean {
  return isReady(status);
}

/** Whether a second look would show rates. */
function hasTraffic({ status }: Sample): boolean {
  return status.role === 'server' || trafficOf(status) !== undefined;
}
