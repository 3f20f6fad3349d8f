import { fstatSync } from 'node:fs';
import { sys } from '../linux/libc.ts';
import { isLinkName } from '../linux/bpf/link-store.ts';
import { isTableSocket } from '../linux/own-table.ts';
import { repeatedNames } from '../linux/passed-descriptors.ts';
import type { PassedDescriptor } from '../linux/passed-descriptors.ts';
import { isUdpSocketAt } from '../linux/socket.ts';
import { awaitSystemd, notifySystemd } from '../linux/systemd.ts';
import { isTunOf } from '../linux/tun.ts';
import { readState } from './kept-state.ts';
import type { Endpoint } from '../wire/index.ts';

/** The names of the descriptors in the service manager's store. */
const KINDS = ['udp', 'tun', 'state', 'ways', 'rules'] as const;
type Kind = (typeof KINDS)[number];

/** The socket and the interface of a role, by its configuration. */
export interface RolePlaces {
  /** Port 0: any. */
  readonly udp: Endpoint;
  readonly tun: string;
  /** Whether a role with this state can be taken over; undefined: there is no state that is whole. Absent: always. */
  readonly fitsState?: (state: Uint8Array | undefined) => boolean;
  /** Whether the role has rules for its tunnel. */
  readonly hasRules?: boolean;
  /** Whether the programs of the kernel path stay attached while there is no process. */
  readonly keepsLinks: boolean;
}

/**
 * The descriptors that the service manager keeps while the role is restarted (systemd's file descriptor store). They are taken over together
 * or not at all: peers answer only to the socket that they know.
 */
export class DescriptorStore {
  /** Names of the descriptors that were removed because they do not fit this configuration. */
  readonly removed: readonly string[];
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
    const isWhole = this.kept.has('udp') && this.kept.has('tun') && this.hasFitting(places);
    if (!isWhole) {
      for (const [name, fd] of this.kept) removed.push({ name, fd });
      this.kept.clear();
      removed.push(...links);
    }
    this.links = isWhole ? links : [];
    this.removed = removed.map(({ name }) => name);
    if (removed.length === 0) return;
    for (const { name, fd } of removed) {
      this.remove(name);
      sys.close(fd);
    }
    // Until the service manager has closed its copies, too, port and interface are in use.
    awaitSystemd();
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
  return (KINDS as readonly string[]).includes(name);
}

function fits(kind: Kind, fd: number, { udp, tun, hasRules }: RolePlaces): boolean {
  if (kind === 'udp') return isUdpSocketAt(fd, udp.address, udp.port);
  if (kind === 'tun') return isTunOf(fd, tun);
  if (kind === 'rules') return hasRules === true && isTableSocket(fd);
  return isFile(fd);
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false; // a number without a descriptor
  }
}
