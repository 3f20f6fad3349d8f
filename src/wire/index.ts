/** Bytes to values and back: every format of Teredo on the wire. Pure, without dependencies. */
export * from './authentication.ts';
export * from './bubble.ts';
export * from './bytes.ts';
export * from './checksum.ts';
export * from './datagram.ts';
export * from './icmpv6.ts';
export * from './icmpv6-error.ts';
export * from './ipv4.ts';
export * from './ipv6.ts';
export * from './ipv6-prefix.ts';
export * from './ipv6-scope.ts';
export * from './ipv6-text.ts';
export * from './origin.ts';
export * from './router.ts';
export * from './teredo-address.ts';
export * from './trailers.ts';
