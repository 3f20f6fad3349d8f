import { AddressPolicy } from '../../src/core/address-policy.ts';
import { SERVER_SOCKET, ServerMachine } from '../../src/core/server/index.ts';
import type { ServerOptions } from '../../src/core/server/index.ts';
import { SeededEntropy } from '../../src/sim/seeded-entropy.ts';
import { buildRouterSolicitation, makeLinkLocal } from '../../src/wire/index.ts';
import { PRIMARY, SECONDARY } from './client-rig.ts';
import { MachineRig } from './machine-rig.ts';
import { payloadOf, vectors } from './vectors.ts';

export const { primary: FIRST, secondary: SECOND } = SERVER_SOCKET;

/** A server at 203.0.113.120 and .121, as in the worked examples. */
export class ServerRig extends MachineRig<ServerMachine> {
  constructor(options: Partial<ServerOptions> & { readonly alone?: boolean } = {}) {
    const { alone = false, ...others } = options;
    super(
      new ServerMachine(
        {
          primary: PRIMARY.address,
          ...(alone ? {} : { secondary: SECONDARY.address }),
          native: true,
          policy: new AddressPolicy(),
          ...others,
        },
        new SeededEntropy(1),
      ),
    );
  }

  /** The datagram of example `name` arrives from its source, possibly changed. */
  example(name: string, change: (payload: Uint8Array) => Uint8Array = (payload) => payload): this {
    const { src, sport, dst } = vectors.datagrams.find((datagram) => datagram.name === name)!.outer;
    const socket = dst === '203.0.113.121' ? SECOND : FIRST;
    const [a, b, c, d] = src.split('.').map(Number);
    const address = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
    return this.receive({ address, port: sport }, change(payloadOf(name)), socket);
  }
}

/** 48 octets, from the link-local address of a client behind a NAT. */
export function solicitation(flags = 0): Uint8Array {
  return buildRouterSolicitation(makeLinkLocal({ flags, mappedPort: 40_000, mappedAddress: 0xc0a80102 }));
}
