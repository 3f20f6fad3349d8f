import type { AccessList } from '../../src/core/access-list.ts';
import { AddressPolicy } from '../../src/core/address-policy.ts';
import { RelayMachine } from '../../src/core/relay/index.ts';
import type { RelayOptions } from '../../src/core/relay/index.ts';
import { NO_PEER, TRUSTED } from '../../src/core/peer-table.ts';
import { SeededEntropy } from '../../src/sim/seeded-entropy.ts';
import { buildBubble, mappedAddressOf, mappedPortOf, parsePrefix } from '../../src/wire/index.ts';
import type { Ipv6, Ipv6Prefix } from '../../src/wire/index.ts';
import { v6 } from './client-rig.ts';
import type { Sent } from './client-rig.ts';
import { MachineRig, packetOf } from './machine-rig.ts';

export const prefix = (text: string): Ipv6Prefix => parsePrefix(text)!;

/** A relay for all of 2000::/3 with the native address 2001:db8:ffff::1. */
export class RelayRig extends MachineRig<RelayMachine> {
  constructor(options: Partial<RelayOptions> & { readonly withoutAddress?: boolean } = {}) {
    const { withoutAddress = false, ...others } = options;
    super(
      new RelayMachine(
        {
          serve: [prefix('2000::/3')],
          ...(withoutAddress ? {} : { localAddress: v6('2001:db8:ffff::1') }),
          policy: new AddressPolicy(),
          ...others,
        },
        new SeededEntropy(1),
      ),
    );
  }

  /** The native host sends to the Teredo client. */
  toClient(source: Ipv6, client: Ipv6, length = 8): this {
    return this.offer(packetOf(source, client, length));
  }

  /** The Teredo client sends to the native host, from its mapped address and port. */
  fromClient(client: Ipv6, destination: Ipv6, length = 8): this {
    return this.receive(pairOf(client), packetOf(client, destination, length));
  }

  /** The driver reports that packets of this client were carried. */
  carried(client: Ipv6, receivedAt: number, sentAt = -Infinity): this {
    this.machine.handleCarried(client, 0, receivedAt, sentAt, this.now);
    return this.drain();
  }

  /** A kernel path is available from now on, and gets all valid peers. */
  offerAll(): this {
    this.machine.setOffload(true);
    for (const _ of this.machine.offerAll(this.now));
    return this.drain();
  }

  /** The same; returns how many are offered at each step. */
  offersBySteps(): number[] {
    this.machine.setOffload(true);
    const numbers = Array.from(this.machine.offerAll(this.now), () => this.clear().drain().offloads.length);
    return [...numbers, this.clear().drain().offloads.length];
  }

  /** Only these clients are served from now on. */
  setAccess(list: AccessList): this {
    this.machine.setAccess(list, this.now);
    return this.drain();
  }

  /** The client answers the bubble to its source address. A-3 */
  answer(bubble: Sent): this {
    const client = bubble.destination;
    return this.receive(pairOf(client), buildBubble(client, bubble.source, 21));
  }

  /** Makes the client a trusted peer, then clears the sent datagrams. */
  acquaint(native: Ipv6, client: Ipv6): this {
    this.toClient(native, client);
    return this.answer(this.bubbles.at(-1)!).clear();
  }

  get bubbles(): Sent[] {
    return this.sent.filter(({ kind }) => kind === 'bubble');
  }

  get data(): Sent[] {
    return this.sent.filter(({ kind }) => kind !== 'bubble');
  }

  isTrusted(client: Ipv6): boolean {
    const peer = this.machine.peers.find(client, 0);
    return peer !== NO_PEER && this.machine.peers.status[peer] === TRUSTED;
  }

  isKnown(client: Ipv6): boolean {
    return this.machine.peers.find(client, 0) !== NO_PEER;
  }
}

/** The mapped address and port in the client's address. */
export function pairOf(client: Ipv6): { address: number; port: number } {
  return { address: mappedAddressOf(client, 0), port: mappedPortOf(client, 0) };
}
