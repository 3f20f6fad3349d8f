import { fstatSync } from 'node:fs';
import { sys } from '../linux/libc.ts';
import { isLinkName } from '../linux/bpf/link-store.ts';
import { isTableSocket } from '../linux/own-table.ts';
import { repeatedNames } from '../linux/passed-descriptors.ts';
import type { PassedDescriptor } from '../linux/passed-descriptors.ts';
import { isUdpSocketAt } from '../linux/socket.ts';
import { awaitSystemd, notifySystemd } from '../linux/systemd.ts';
import { canHaveQueues, isTunOf } from '../linux/tun.ts';
import { readState } from './kept-state.ts';
import type { Endpoint } from '../wire/index.ts';

/** The names of the descriptors in the service manager's store. */
const KINDS = ['udp', 'tun', 'state', 'ways', 'rules', 'primary', 'secondary'] as const;
/** One of the sockets that the workers of a server share; with another number of workers none of them fits. */
const WORKERS_SOCKET = /^(primary|secondary)-([1-8])-of-([2-8])$/;
type Kind = (typeof KINDS)[number] | WorkersSocket;
type WorkersSocket = `${SharedPort}-${number}-of-${number}`;
export type SharedPort = 'primary' | 'secondary';
/** Without one of these that the role has, nothing is taken over. */
const NEEDED = ['udp', 'tun', 'primary'] as const;
export type SocketKind = 'udp' | 'primary' | 'secondary';

/** The sockets and the interface of a role, by its configuration. */
export interface RolePlaces {
  /** Of a client or a relay. Port 0: any. */
  readonly udp?: Endpoint;
  /** Of a client or a relay. */
  readonly tun?: string;
  /** Of a server. */
  readonly primary?: Endpoint;
  /** Of a server. Its first address is kept without the second one, too. */
  readonly secondary?: Endpoint | undefined;
  /** Of a server, whose sockets at these places they share; several of a relay take nothing over. Default 1. */
  readonly workers?: number;
  /** Of a client: its workers, each with a queue of the interface and a socket. Those of the first are kept. Default 1. */
  readonly queues?: number;
  /** Whether a role with this state can be taken over; undefined: there is no state that is whole. Absent: always. */
  readonly fitsState?: (state: Uint8Array | undefined) => boolean;
  /** Whether the role has rules for its tunnel. */
  readonly hasRules?: boolean;
  /** Whether the programs of the kernel path stay attached while there is no process. */
  readonly keepsLinks: boolean;
}

/**
 * The descriptors that the service manager keeps while the role is restarted (systemd's file descriptor store). Those of a client or a relay
 * are taken over together or not at all: peers answer only to the socket that they know.
 */
export class DescriptorStore {
  /** Names of the descriptors that were removed because they do not fit this configuration. */
  readonly removed: readonly string[];
  /** Nothing is taken over. */
  readonly isEmpty: boolean;
  /** Those of links of the kernel path; the caller closes them. */
  readonly links: readonly PassedDescriptor[];
  private readonly kept = new Map<Kind, number>();

  constructor(passed: readonly PassedDescriptor[], places: RolePlaces) {
    const repeated = repeatedNames(passed);
    const links = passed.filter(({ name }) => isLinkName(name) && !repeated.has(name));
    const removed = passed.filter(({ name, fd }) => {
      if (repeated.has(name)) return true;
      if (isLinkName(name)) return false;
      if (!isKind(name) || !fits(name, fd, places)) return true;
      this.kept.set(name, fd);
      return false;
    });
    const hasNeeded = this.hasNeeded(places);
    const isWhole = hasNeeded && this.hasFitting(places);
    if (!isWhole) {
      for (const [name, fd] of this.kept) removed.push({ name, fd });
      this.kept.clear();
      removed.push(...links);
    }
    this.links = isWhole ? links : [];
    this.isEmpty = !isWhole;
    this.removed = removed.map(({ name }) => name);
    if (removed.length === 0) return;
    for (const { name, fd } of removed) {
      this.remove(name);
      sys.close(fd);
    }
    // Until the service manager has closed its copies, too, port and interface are in use.
    awaitSystemd();
  }

  private hasNeeded(places: RolePlaces): boolean {
    const { workers = 1 } = places;
    if (workers === 1) return NEEDED.every((kind) => places[kind] === undefined || this.kept.has(kind));
    const has = (port: SharedPort): number =>
      namesOfShared(port, workers).filter((name) => this.kept.has(name)).length;
    return has('primary') === workers && [0, workers].includes(has('secondary'));
  }

  private hasFitting({ fitsState }: RolePlaces): boolean {
    const state = this.kept.get('state');
    if (fitsState === undefined) return true;
    return fitsState(state === undefined ? undefined : readState(state)?.state);
  }

  /** The descriptor with this name that a predecessor left. The caller closes it. */
  take(kind: Kind): number | undefined {
    const fd = this.kept.get(kind);
    this.kept.delete(kind);
    return fd;
  }

  /** The descriptors of a port that workers share, in their order. The caller closes them. */
  takeShared(port: SharedPort, workers: number): number[] | undefined {
    const fds = namesOfShared(port, workers).map((name) => this.take(name));
    return fds.every((fd) => fd !== undefined) ? fds : undefined;
  }

  /** Leaves copies of the new descriptors of a port that workers share. */
  keepShared(port: SharedPort, fds: readonly number[]): void {
    for (const [i, name] of namesOfShared(port, fds.length).entries()) this.keep(name, fds[i]!);
  }

  /** Leaves a copy of a new descriptor with the service manager. */
  keep(name: string, fd: number): void {
    notifySystemd(`FDSTORE=1\nFDNAME=${name}\nFDPOLL=0`, fd);
  }

  /** The service manager closes its copies of the descriptors with this name. */
  remove(name: string): void {
    notifySystemd(`FDSTOREREMOVE=1\nFDNAME=${name}`);
  }
}

function isKind(name: string): name is Kind {
  return (KINDS as readonly string[]).includes(name) || WORKERS_SOCKET.test(name);
}

function namesOfShared(port: SharedPort, workers: number): WorkersSocket[] {
  return Array.from({ length: workers }, (_, i) => `${port}-${i + 1}-of-${workers}` as const);
}

function fits(kind: Kind, fd: number, places: RolePlaces): boolean {
  const { workers = 1, queues = 1 } = places;
  const [, port = kind, , of = '1'] = WORKERS_SOCKET.exec(kind) ?? [];
  if (port === 'primary' || port === 'secondary') {
    const place = places[port];
    return Number(of) === workers && place !== undefined && isUdpSocketAt(fd, place.address, place.port);
  }
  if (kind === 'tun')
    return places.tun !== undefined && isTunOf(fd, places.tun) && canHaveQueues(fd) === queues > 1;
  if (kind === 'rules') return places.hasRules === true && isTableSocket(fd);
  if (kind === 'state' || kind === 'ways') return places.tun !== undefined && isFile(fd);
  const place = places.udp;
  return place !== undefined && isUdpSocketAt(fd, place.address, place.port);
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false; // a number without a descriptor
  }
}
