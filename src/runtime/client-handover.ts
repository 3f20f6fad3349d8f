import type { ServerCandidate } from '../core/client/index.ts';
import type { Handover } from '../io/ports.ts';
import { survive } from '../io/system-failures.ts';
import { isTeredo, serverOf } from '../wire/index.ts';
import type { Ipv6 } from '../wire/index.ts';

/** To be raised with each change of the layout. Other roles have other numbers (handover-state.ts). */
const LAYOUT = 0x0100_0001;
const HEADER = 4;
const ADDRESS = 16;

/** Passes a client's address to its successor, by the descriptor store of a service manager. */
export class ClientHandover {
  private readonly handover: Handover | undefined;
  private isClosed = false;

  constructor(handover: Handover | undefined) {
    this.handover = handover;
  }

  /** The address that the predecessor had at its end; it is on the interface. */
  get left(): Ipv6 | undefined {
    const left = this.handover?.left;
    return left === undefined ? undefined : readAddress(left.state)?.address;
  }

  /** The address is this one now; undefined: the client has none. */
  note(address: Ipv6 | undefined): void {
    if (this.isClosed || this.handover === undefined) return;
    const { handover } = this;
    survive(() => handover.leave(writeAddress(address)));
  }

  /** The client ends: its address stays that of its successor. */
  close(): void {
    this.isClosed = true;
  }
}

/** Whether a client with these servers can take over the interface that a predecessor has left with this state. */
export function fitsServers(state: Uint8Array | undefined, servers: readonly ServerCandidate[]): boolean {
  const read = state === undefined ? undefined : readAddress(state);
  if (read?.address === undefined) return read !== undefined;
  const server = serverOf(read.address, 0);
  return servers.some(({ primary }) => primary === server);
}

function writeAddress(address: Ipv6 | undefined): Uint8Array {
  const state = new Uint8Array(HEADER + (address === undefined ? 0 : ADDRESS));
  new DataView(state.buffer).setUint32(0, LAYOUT);
  if (address !== undefined) state.set(address, HEADER);
  return state;
}

/** Undefined: no state of a client in this layout. */
function readAddress(state: Uint8Array): { readonly address: Ipv6 | undefined } | undefined {
  const view = new DataView(state.buffer, state.byteOffset, state.length);
  if (state.length < HEADER || view.getUint32(0) !== LAYOUT) return undefined;
  if (state.length === HEADER) return { address: undefined };
  if (state.length !== HEADER + ADDRESS || !isTeredo(state, HEADER)) return undefined;
  return { address: state.slice(HEADER) };
}
