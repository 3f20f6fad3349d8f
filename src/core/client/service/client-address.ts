import { randomUint32 } from '../../entropy.ts';
import { CONE_FLAG, RANDOM_FLAGS, makeTeredoAddress } from '../../../wire/index.ts';
import type { Endpoint, Ipv4, Ipv6 } from '../../../wire/index.ts';
import type { ClientContext } from '../context.ts';

/** A Teredo address with twelve fresh random flag bits. RFC 4380 section 4, RFC 5991 section 3.1. CL-25, U-1 to U-3 */
export function makeClientAddress(
  context: ClientContext,
  server: Ipv4,
  mapped: Endpoint,
  cone: boolean,
): Ipv6 {
  const random = randomUint32(context.entropy) & RANDOM_FLAGS;
  return makeTeredoAddress({
    server,
    flags: random | (cone ? CONE_FLAG : 0),
    mappedAddress: mapped.address,
    mappedPort: mapped.port,
  });
}
