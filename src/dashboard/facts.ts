/** The facts below the verdict, as the rows of `teredo status`. */
import type { ClientStatus, DataPath, RelayStatus, RoleStatus, ServerStatus } from '../control/status.ts';
import { formatOctets, formatSpan } from '../control/words.ts';

export type Fact = readonly [name: string, value: string];

export function factsOf(status: RoleStatus): Fact[] {
  const facts =
    status.role === 'client'
      ? clientFacts(status)
      : status.role === 'server'
        ? serverFacts(status)
        : relayFacts(status);
  return [...facts, ...commonFacts(status)];
}

function clientFacts(status: ClientStatus): Fact[] {
  const { address, interface: name, defaultRoute, mapped, server, portMapping } = status;
  const facts: Fact[] = [];
  if (address !== undefined) facts.push(['IPv6 address', address]);
  if (address !== undefined && name !== '')
    facts.push([
      'used for',
      defaultRoute ? `all IPv6, by interface ${name}` : `other Teredo clients only, by interface ${name}`,
    ]);
  facts.push(['NAT', mapped === undefined ? status.nat : `${status.nat}, mapped to ${mapped}`]);
  if (portMapping !== undefined)
    facts.push(['open port', `${portMapping.external}, by ${portMapping.protocol}`]);
  if (server !== undefined) facts.push(['server', serverInWords(server)]);
  return [...facts, ...trafficFacts(status)];
}

function serverInWords({ name, address, roundTripMs }: NonNullable<ClientStatus['server']>): string {
  const words = name === address ? address : `${name} (${address})`;
  return roundTripMs === undefined ? words : `${words}, ${roundTripMs.toFixed(1)} ms`;
}

function relayFacts(status: RelayStatus): Fact[] {
  return [
    ['address', announced(`${status.address}:${status.port}`, status.announced)],
    ['serves', status.serves.join(', ')],
    ...trafficFacts(status),
  ];
}

function serverFacts({
  address,
  announced: shown,
  secondary,
  announcedSecondary,
  counters,
}: ServerStatus): Fact[] {
  const count = (name: string): number => counters[name] ?? 0;
  const answers = count('solicitationsAnswered') + count('pingsAnswered');
  return [
    ['address', announced(address, shown)],
    [
      'second address',
      secondary === undefined
        ? 'none: clients cannot recognize a symmetric NAT'
        : announced(secondary, announcedSecondary),
    ],
    ['answers', answers.toLocaleString('en')],
    ['forwarded', (count('forwardedToClients') + count('forwardedToNative')).toLocaleString('en')],
  ];
}

function announced(address: string, shown: string | undefined): string {
  return shown === undefined ? address : `${address}, announced as ${shown}`;
}

function trafficFacts({ traffic, peers }: ClientStatus | RelayStatus): Fact[] {
  const unverified =
    peers.unverified === 0 ? '' : `, ${peers.unverified.toLocaleString('en')} not verified yet`;
  return [
    ['received, sent', `${formatOctets(traffic.receivedBytes)}, ${formatOctets(traffic.sentBytes)}`],
    ['peers', `${peers.trusted.toLocaleString('en')} verified${unverified}`],
  ];
}

function commonFacts({ dataPath, limitsReached, uptimeSeconds, pid }: RoleStatus): Fact[] {
  const limits: Fact[] =
    limitsReached.length === 0
      ? []
      : [['limits reached', `${limitsReached.join(', ')} (in the last minute; see the events)`]];
  return [
    ['data path', dataPathInWords(dataPath)],
    ...limits,
    ['running for', `${formatSpan(uptimeSeconds)}, process ${pid}`],
  ];
}

function dataPathInWords({ inUse, reason, uplinks = [] }: DataPath): string {
  const others = uplinks.filter(({ carried }) => carried !== 'all').map((uplink) => uplink.interface);
  const path = inUse === 'kernel' ? 'kernel (fast)' : 'user (packets cross the process)';
  const words = reason === undefined ? path : `${path}: ${reason}`;
  return others.length === 0 ? words : `${words}; not all by ${others.join(', ')}`;
}
