/** The rows of `teredo status`: the few that tell a person whether a daemon works. */
import type { ClientStatus, DataPath, RelayStatus, RoleStatus, ServerStatus } from '../../control/status.ts';
import { formatOctets, formatSpan, meansInWords, secondsInState } from '../../control/words.ts';
import { accessInWords } from '../../daemon/access.ts';
import { portMappingInWords } from '../../daemon/port-mapping.ts';
import { stateInWords } from '../../daemon/state-in-words.ts';
import { rateOf, trafficOf } from './sample.ts';
import type { Sample } from './sample.ts';

export type Row = readonly [name: string, value: string];

export function rowsOf(sample: Sample): Row[] {
  const { status } = sample;
  const daemon: Row = ['daemon', `${status.name} (${status.role}, pid ${status.pid})`];
  if (status.role === 'client') return [daemon, ...clientRows(sample, status)];
  if (status.role === 'server') return [daemon, ...serverRows(sample, status)];
  return [daemon, ...relayRows(sample, status)];
}

function clientRows(sample: Sample, status: ClientStatus): Row[] {
  const rows: Row[] = [...stateRows(status), sinceRow(status)];
  if (status.address !== undefined) rows.push(['address', addressInWords(status)]);
  if (status.inbound !== undefined) rows.push(['inbound', inboundInWords(status.inbound)]);
  rows.push(['NAT', natInWords(status)]);
  if (status.server !== undefined) rows.push(['server', serverInWords(status.server)]);
  return [
    ...rows,
    ...trafficRow(sample),
    ['peers', peersInWords(sample, status)],
    ...workersRow(status),
    ...commonRows(status),
  ];
}

function inboundInWords(inbound: 'accept' | 'refuse'): string {
  if (inbound === 'refuse') return 'refuse: only answers come in by the tunnel';
  return 'accept: all IPv6 hosts reach this one, unless its firewall refuses them';
}

function stateRows(status: RoleStatus): Row[] {
  const { state, reason, advice } = stateInWords(status);
  return [
    ['state', state],
    ...(reason === undefined ? [] : [['reason', reason] as const]),
    ...(advice === undefined ? [] : [['to do', advice] as const]),
  ];
}

/** How long the state has lasted; the start, where that can be another time. */
function sinceRow(status: RoleStatus): Row {
  const [inState, up] = [secondsInState(status), formatSpan(status.uptimeSeconds)];
  const started = `started ${up} ago`;
  if (inState === undefined) return ['since', started];
  return ['since', status.state === 'running' ? up : `${formatSpan(inState)} (${started})`];
}

function addressInWords({ address, interface: name, defaultRoute }: ClientStatus): string {
  const use = defaultRoute ? 'for all IPv6' : 'only for other Teredo clients, 2001::/32';
  return name === '' ? address! : `${address} on ${name}, ${use}`;
}

function natInWords({ nat, mapped, portMapping }: ClientStatus): string {
  const words: string[] = [nat];
  if (mapped !== undefined) words.push(`mapped to ${mapped}`);
  if (portMapping !== undefined) words.push(`the gateway has opened ${portMappingInWords(portMapping)}`);
  return words.join(', ');
}

function serverInWords({ name, address, roundTripMs }: NonNullable<ClientStatus['server']>): string {
  const words = name === address ? address : `${name} (${address})`;
  return roundTripMs === undefined ? words : `${words}, ${roundTripMs.toFixed(1)} ms`;
}

function peersInWords(
  { means }: Sample,
  { peers: { trusted, unverified } }: ClientStatus | RelayStatus,
): string {
  const kinds = [...means].toSorted(([, a], [, b]) => b - a);
  const words = kinds.map(([kind, count]) => `${count} ${meansInWords(kind)}`).join(', ');
  const inWords = words === '' ? `${trusted} trusted` : `${trusted} trusted (${words})`;
  return unverified > 0 ? `${inWords}, ${unverified} unverified` : inWords;
}

function serverRows(sample: Sample, status: ServerStatus): Row[] {
  return [
    ...stateRows(status),
    sinceRow(status),
    ['address', announcedToo(status.address, status.announced)],
    ['secondary', secondaryInWords(status)],
    ['secure', status.secure ? 'yes, only clients with a key are answered' : 'no'],
    ['access', accessInWords(status.access)],
    ['traffic', workInWords(sample)],
    ...workersRow(status),
    ...driverRow(status),
    ...commonRows(status),
  ];
}

function secondaryInWords({ secondary, announcedSecondary }: ServerStatus): string {
  if (secondary === undefined) return 'none: clients cannot find out whether their NAT is symmetric';
  return announcedToo(secondary, announcedSecondary);
}

function relayRows(sample: Sample, status: RelayStatus): Row[] {
  return [
    ...stateRows(status),
    sinceRow(status),
    [
      'address',
      `${announcedToo(`${status.address}:${status.port}`, status.announced)}, interface ${status.interface}`,
    ],
    ['serves', status.serves.join(', ')],
    ['access', accessInWords(status.access)],
    ...trafficRow(sample),
    ['peers', peersInWords(sample, status)],
    ...workersRow(status),
    ...commonRows(status),
  ];
}

/** Of a role behind a 1:1 NAT. */
function announcedToo(address: string, announced: string | undefined): string {
  return announced === undefined ? address : `${address}, announced as ${announced}`;
}

/** Octets of the hosts in both directions, since the start and now. */
function trafficRow(sample: Sample): Row[] {
  const traffic = trafficOf(sample.status);
  if (traffic === undefined) return [];
  const rate = (column: 'receivedBytes' | 'sentBytes'): string => {
    const perSecond = rateOf(sample, (status) => trafficOf(status)?.[column] ?? 0);
    return perSecond === undefined ? '' : ` (${formatOctets(perSecond)}/s)`;
  };
  const received = formatOctets(traffic.receivedBytes) + rate('receivedBytes');
  const sent = formatOctets(traffic.sentBytes) + rate('sentBytes');
  return [['traffic', `received ${received}, sent ${sent}`]];
}

/** Where solicitations are answered, or not, in the drivers of interfaces. */
function driverRow({ xdp, withoutXdp }: ServerStatus): Row[] {
  if (xdp === undefined) return [];
  return [['XDP', xdp ? 'solicitations are answered in the driver' : `no: ${withoutXdp}`]];
}

/** The share of each worker in the datagrams, since the start. */
function workersRow({ workers }: RoleStatus): Row[] {
  if (workers === undefined) return [];
  const all = workers.reduce((sum, { receivedDatagrams }) => sum + receivedDatagrams, 0);
  const shares = workers.map(
    ({ receivedDatagrams }) => `${Math.round((100 * receivedDatagrams) / Math.max(1, all))} %`,
  );
  return [['workers', `${workers.length}, with ${shares.join(', ')} of the datagrams`]];
}

/** The work of a server, since the start and now. */
function workInWords(sample: Sample): string {
  const words = (noun: string, ...names: string[]): string => {
    const count = (status: RoleStatus): number =>
      names.reduce((sum, name) => sum + (status.counters[name] ?? 0), 0);
    const perSecond = rateOf(sample, count);
    const rate = perSecond === undefined ? '' : ` (${Math.round(perSecond).toLocaleString('en')}/s)`;
    return `${count(sample.status).toLocaleString('en')} ${noun}${rate}`;
  };
  const answered = words('answered', 'solicitationsAnswered', 'pingsAnswered');
  return `${answered}, ${words('forwarded', 'forwardedToClients', 'forwardedToNative')}`;
}

function commonRows({ limitsReached, dataPath, file, configuration }: RoleStatus): Row[] {
  return [
    ...(file === undefined ? [] : [['file', fileInWords(file, configuration)] as const]),
    ...(limitsReached === undefined ? [] : [limitsRow(limitsReached)]),
    ['data path', dataPathInWords(dataPath)],
  ];
}

function fileInWords(file: string, configuration: RoleStatus['configuration']): string {
  if (configuration === undefined) return file;
  const { changedSinceRead, refused, needRestart } = configuration;
  const faults = [
    ...(changedSinceRead ? ['changed since it was read: teredo reload'] : []),
    ...(refused ? ['refused by the last reload: teredo config check, or the log'] : []),
    ...(needRestart.length > 0 ? [`needs a restart: ${needRestart.join(', ')}`] : []),
  ];
  return faults.length === 0 ? `${file}, in force` : `${file}, not all in force: ${faults.join('; ')}`;
}

function dataPathInWords({ inUse, reason, uplinks = [] }: DataPath): string {
  const words = reason === undefined ? inUse : `${inUse} (${reason})`;
  const others = uplinks.filter(({ carried }) => carried !== 'all').map((uplink) => uplink.interface);
  return others.length === 0 ? words : `${words}; not all by ${others.join(', ')} (see --verbose)`;
}

function limitsRow(limits: readonly string[]): Row {
  if (limits.length === 0) return ['limits', 'none reached in the last minute'];
  return ['limits', `reached in the last minute: ${limits.join(', ')} (the log has the addresses)`];
}
