/** The variants to compare: plain IPv4 without Teredo, miredo, and this program on each of its data paths. */
export const VARIANTS = ['plain', 'miredo', 'user', 'kernel'] as const;
export type Variant = (typeof VARIANTS)[number];
/** All but plain IPv4. */
export type TeredoVariant = Exclude<Variant, 'plain'>;
export const TEREDO_VARIANTS = ['miredo', 'user', 'kernel'] as const satisfies readonly TeredoVariant[];

/** A relay or server that does nothing of its own: what remains is the cost of the lab. */
export type Seat = Variant | 'null';
export const SEATS = ['plain', 'null', 'miredo', 'user', 'kernel'] as const satisfies readonly Seat[];

/** Kinds of links; links.ts says how they differ. */
export const LINKS = ['nic', 'wire', 'veth'] as const;
export type LinkKind = (typeof LINKS)[number];
