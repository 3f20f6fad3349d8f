/** Where packets were dropped in a lab: at links, in the tunnels' queues, at sockets, in other queues, by the programs themselves. */
import { readFileSync } from 'node:fs';
import type { Namespace } from '../../src/lab/index.ts';

/** Packets by place. */
export type Drops = Readonly<Record<string, number>>;

/** The kernel's name of a tunnel is `teredo` in all variants. */
const TUNNEL = 'teredo';
const READ = 'cat /proc/net/dev /proc/net/snmp /proc/net/snmp6; tc -s qdisc show';

export function readDrops(hosts: readonly Namespace[]): Drops {
  return sumOf(hosts.map((host) => parseDrops(host.execute('sh', '-c', READ))));
}

/** Only the places where packets were dropped between the two. */
export function dropsBetween(before: Drops, after: Drops): Drops {
  const entries = Object.entries(after).map(
    ([place, count]) => [place, count - (before[place] ?? 0)] as const,
  );
  return Object.fromEntries(entries.filter(([, count]) => count > 0));
}

/** The contents of /proc/net/dev, snmp and snmp6, then `tc -s qdisc`, of one host. */
export function parseDrops(text: string): Drops {
  let [link, tunnel] = [0, 0];
  for (const [, name, numbers] of text.matchAll(/^\s*([\w@-]+):((?:\s+\d+){16})$/gm)) {
    const fields = numbers!.trim().split(/\s+/).map(Number);
    const dropped = fields[3]! + fields[11]!;
    if (name === TUNNEL) tunnel += dropped;
    else link += dropped;
  }
  // What does not fit into a tunnel's queue is counted by the queueing discipline before it.
  const [inTunnels, elsewhere] = qdiscDrops(text);
  return { link, tunnel: tunnel + inTunnels, socket: socketDrops(text), qdisc: elsewhere };
}

/** Of the processors' queues of received packets. They belong to no host: of all labs together. */
export function readBacklogDrops(): number {
  return backlogDrops(readFileSync('/proc/net/softnet_stat', 'utf8'));
}

/** Column 2 of each line, in hexadecimal: packets that a processor's queue had no room for. */
export function backlogDrops(text: string): number {
  return sum(
    text
      .trim()
      .split('\n')
      .map((line) => Number.parseInt(line.split(/\s+/)[1]!, 16)),
  );
}

function socketDrops(text: string): number {
  const [, names, values] = /^Udp: (.*\D.*)\nUdp: (.*)$/m.exec(text) ?? [];
  const at = names?.split(' ').indexOf('RcvbufErrors') ?? -1;
  const ipv4 = at < 0 ? 0 : Number(values!.split(' ')[at]);
  return ipv4 + Number(/^Udp6RcvbufErrors\s+(\d+)$/m.exec(text)?.[1] ?? 0);
}

/** In front of the tunnels, and elsewhere. */
function qdiscDrops(text: string): readonly [number, number] {
  let [tunnel, elsewhere] = [0, 0];
  for (const [, name, count] of text.matchAll(/^qdisc .* dev (\S+) .*\n.*\(dropped (\d+),/gm)) {
    if (name === TUNNEL) tunnel += Number(count);
    else elsewhere += Number(count);
  }
  return [tunnel, elsewhere];
}

function sumOf(all: readonly Drops[]): Drops {
  const total: Record<string, number> = {};
  for (const drops of all)
    for (const [place, count] of Object.entries(drops)) total[place] = (total[place] ?? 0) + count;
  return total;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
