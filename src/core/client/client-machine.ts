import { CommandRing } from '../commands.ts';
import type { Entropy } from '../entropy.ts';
import type { ClientState, NatKind, QualificationReason } from '../events.ts';
import { makeCounters } from '../machine.ts';
import type { Machine, SocketId } from '../machine.ts';
import { REFRESH_INTERVAL_MS } from '../constants.ts';
import type { Endpoint, Ipv6 } from '../../wire/index.ts';
import { CLIENT_COUNTERS } from './counters.ts';
import type { AttachedNetwork, ClientOptions, ServerCandidate } from './options.ts';
import type { PeerStatus, ServerResult } from './status.ts';

/** Skeleton: the public face, not the behaviour yet. */
export class ClientMachine implements Machine {
  readonly commands: CommandRing = new CommandRing();
  readonly counters: Readonly<Record<string, number>> = makeCounters(CLIENT_COUNTERS);

  constructor(_options: ClientOptions, _entropy: Entropy) {}

  get state(): ClientState {
    return 'offline';
  }
  /** Why the state is what it is; undefined while qualified. */
  get reason(): QualificationReason | undefined {
    return 'stopped';
  }
  get natKind(): NatKind {
    return 'unknown';
  }
  /** Whether two server addresses have seen the same mapping: false with a server of one address. */
  get symmetricNatRuledOut(): boolean {
    return false;
  }
  /** Index of the server in use. */
  get server(): number | undefined {
    return undefined;
  }
  get address(): Ipv6 | undefined {
    return undefined;
  }
  get mapped(): Endpoint | undefined {
    return undefined;
  }
  get refreshIntervalMs(): number {
    return REFRESH_INTERVAL_MS;
  }
  /** Time of the last packet from the server in use; -Infinity when there was none. */
  get lastServerContact(): number {
    return -Infinity;
  }
  /** Of the last answered solicitation. */
  get roundTripMs(): number | undefined {
    return undefined;
  }
  get serverResults(): readonly ServerResult[] {
    return [];
  }

  handleDatagram(
    _socket: SocketId,
    _buffer: Uint8Array,
    _start: number,
    _end: number,
    _address: number,
    _port: number,
    _now: number,
  ): void {}
  handlePacket(_buffer: Uint8Array, _start: number, _end: number, _now: number): void {}
  handleTimeout(_now: number): void {}

  start(_now: number): void {}
  stop(_now: number): void {}
  /** The host has moved, or its addresses have changed: the mapping is determined anew. */
  networkChanged(_now: number, _network: AttachedNetwork): void {}
  /** Names were resolved again. */
  setServers(_servers: readonly ServerCandidate[], _now: number): void {}
  /** Begins a contact with a peer; false when that cannot be. */
  contact(_address: Ipv6, _now: number): boolean {
    return false;
  }
  *peers(_now: number): Generator<PeerStatus> {}

  pollTimeout(): number {
    return Infinity;
  }
}
