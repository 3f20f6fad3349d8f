import fc from 'fast-check';

/** Values for property tests of the codec. */
export const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
export const ipv4 = fc.integer({ min: 0, max: 0xffffffff });
export const port = fc.integer({ min: 0, max: 0xffff });
export const uint8 = fc.integer({ min: 0, max: 0xff });
export const uint16 = fc.integer({ min: 0, max: 0xffff });
export const uint32 = fc.integer({ min: 0, max: 0xffffffff });
export const ipv6 = fc.oneof(octets(16), sparseIpv6());
export const endpoint = fc.record({ address: ipv4, port });
export const teredoAddress = fc.record({
  server: ipv4,
  flags: uint16,
  mappedAddress: ipv4,
  mappedPort: port,
});

/** Addresses with runs of zero groups, which random octets never have. */
function sparseIpv6(): fc.Arbitrary<Uint8Array> {
  const group = fc.oneof(fc.constant([0, 0]), fc.constant([0, 1]), fc.tuple(uint8, uint8));
  return fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => Uint8Array.from(groups.flat()));
}
