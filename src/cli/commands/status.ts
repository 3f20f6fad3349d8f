import { Command } from 'commander';
import type { ClientStatus, RelayStatus, RoleStatus, ServerStatus } from '../../control/status.ts';
import { accessInWords } from '../../daemon/access.ts';
import { dataPathRows } from '../data-path.ts';
import { isReady } from '../../daemon/readiness.ts';
import { explainReason } from '../../daemon/explain.ts';
import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import { formatSpan, printJson, printLine, printTable } from '../output.ts';
import { portMappingInWords } from '../../daemon/port-mapping.ts';
import { askDaemons, reading } from './ask-daemon.ts';

/** How often `--watch` looks. */
const WATCH_MS = 1_000;

interface StatusOptions {
  readonly json?: boolean;
  readonly watch?: boolean;
}

const HELP = `
Exit status: 0 when all daemons that are shown work; 1 when a client among them is offline or still looks for a server (probe). A client
that rests because the host has native IPv6 (dormant, --only-without-ipv6) works as wanted. The same holds with --json.
Without an answer: 1 failed, 3 no such daemon, 4 not permitted, 5 timed out.`;

/** `teredo status`: the state of the daemons. */
export function statusCommand(finish: (exitCode: number) => void): Command {
  return new Command('status')
    .description('state of the running daemons: addresses, NAT, counters')
    .argument('[name]', 'of this daemon only')
    .option('--json', 'print JSON, one line a daemon')
    .option('--watch', 'again every second, until interrupted')
    .addHelpText('after', HELP)
    .action(async (name: string | undefined, options: StatusOptions) => {
      do {
        const found = await askDaemons<RoleStatus>(name, { command: 'status' });
        let isAllShown = true;
        for (const [i, status] of found.entries()) {
          if (options.json === true) printJson(status);
          else isAllShown = tryToPrint(status, i > 0) && isAllShown;
        }
        finish(!isAllShown || !found.every(isReady) ? EXIT.FAILED : EXIT.OK);
        if (options.watch === true) await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
      } while (options.watch === true);
    });
}

/** One that cannot be printed hides no other. */
function tryToPrint(status: RoleStatus, spaced: boolean): boolean {
  try {
    reading(`"${status.name}"`, () => printStatus(status, spaced));
    return true;
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    process.stderr.write(`${error.message}\n`);
    return false;
  }
}

function printStatus(status: RoleStatus, spaced: boolean): void {
  if (spaced) printLine('');
  const rows: [string, string][] = [
    ['name', `${status.name} (${status.role}, pid ${status.pid}, up ${formatSpan(status.uptimeSeconds)})`],
  ];
  if (status.role === 'client') rows.push(...clientRows(status));
  else if (status.role === 'server') rows.push(...serverRows(status));
  else rows.push(...relayRows(status));
  for (const [name, count] of Object.entries(status.counters))
    if (count > 0) rows.push([name, String(count)]);
  printTable(rows);
}

function clientRows(status: ClientStatus): [string, string][] {
  const rows: [string, string][] = [['state', stateInWords(status)]];
  if (status.reason !== undefined) rows.push(['reason', explainReason(status.reason)]);
  rows.push(['nat', status.nat]);
  if (status.server !== undefined) {
    const time =
      status.server.roundTripMs === undefined ? '' : `, ${status.server.roundTripMs.toFixed(1)} ms`;
    rows.push(['server', `${status.server.name} (${status.server.address}${time})`]);
  }
  if (status.address !== undefined) rows.push(['address', status.address]);
  if (status.mapped !== undefined) rows.push(['mapped', status.mapped]);
  rows.push(
    ['port', String(status.port)],
    ...(status.portMapping === undefined
      ? []
      : [['port mapping', portMappingInWords(status.portMapping)] satisfies [string, string]]),
    ['interface', status.interface],
    ['default route', status.defaultRoute ? 'yes' : 'no, only 2001::/32'],
    ['refresh', formatSpan(status.refreshIntervalSeconds)],
    ['peers', `${status.peers.trusted} trusted, ${status.peers.unverified} unverified`],
    ...dataPathRows(status.dataPath),
  );
  return rows;
}

/** netsh's word for the state, with its details. */
function stateInWords(status: ClientStatus): string {
  return status.state === 'probe' ? 'probe (looking for a server)' : status.state;
}

function serverRows(status: ServerStatus): [string, string][] {
  return [
    ['state', status.state],
    ['address', announcedToo(status.address, status.announced)],
    [
      'secondary',
      (status.secondary && announcedToo(status.secondary, status.announcedSecondary)) ??
        'none: clients cannot find out whether their NAT is symmetric',
    ],
    ['secure', status.secure ? 'yes, only clients with a key are answered' : 'no'],
    ['access', accessInWords(status.access)],
    ...dataPathRows(status.dataPath),
  ];
}

/** Of a role behind a 1:1 NAT. */
function announcedToo(address: string, announced: string | undefined): string {
  return announced === undefined ? address : `${address}, announced as ${announced}`;
}

function relayRows(status: RelayStatus): [string, string][] {
  return [
    ['state', status.state],
    ['address', announcedToo(`${status.address}:${status.port}`, status.announced)],
    ['interface', status.interface],
    ['serves', status.serves.join(', ')],
    ['access', accessInWords(status.access)],
    ['peers', `${status.peers.trusted} trusted, ${status.peers.unverified} unverified`],
    ...dataPathRows(status.dataPath),
  ];
}
