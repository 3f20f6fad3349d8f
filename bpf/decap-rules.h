/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The rules for a datagram from a peer, and the notes on a packet that is carried. The rules only read. Rows are those of
 * docs/rfc-compliance.md.
 */
#ifndef TEREDO_DECAP_RULES_H
#define TEREDO_DECAP_RULES_H

#include "outer-checksums.h"
#include "native-prefixes.h"
#include "samples.h"

/* RFC 6040 section 4.2; N-8. The ECN field of the inner packet, or -1 if the packet has to be dropped. src/core/ecn.ts does the same. */
static __always_inline int combine_ecn(__u8 inner, __u8 outer)
{
	enum { NOT_ECT, ECT1, ECT0, CE };

	if (inner == NOT_ECT)
		return outer == CE ? -1 : NOT_ECT;
	if (outer == CE || inner == CE)
		return CE;
	return inner == ECT0 && outer == ECT1 ? ECT1 : inner;
}

/* Whether a packet is a UDP datagram to a local port by which peers are reached, without IPv4 options. */
static __always_inline bool is_to_own_port(const struct outer *outer)
{
	return outer->ip.protocol == IPPROTO_UDP && outer->ip.version == 4 && outer->ip.ihl == sizeof(outer->ip) / 4 &&
	       is_own_port(outer->udp.dest);
}

/* More fragments, or an offset. */
static __always_inline bool is_fragment(const struct outer *outer)
{
	return outer->ip.frag_off & bpf_htons(0x3fff);
}

static __always_inline __u32 packet_length(const struct ipv6hdr *inner)
{
	return sizeof(*inner) + bpf_ntohs(inner->payload_len);
}

/* Whether the datagram is one IPv6 packet and nothing else. `octets`: those that have arrived, from the IPv4 header on. */
static __always_inline bool is_one_packet(const struct outer *outer, const struct ipv6hdr *inner, __u32 octets)
{
	__u32 length = packet_length(inner);

	return inner->version == 6 && bpf_ntohs(outer->udp.len) == length + sizeof(outer->udp) &&
	       bpf_ntohs(outer->ip.tot_len) == length + sizeof(*outer) && octets == length + sizeof(*outer);
}

/* Whether an address is that of an uplink. */
static __noinline bool is_source(__u32 address)
{
#pragma unroll
	for (__u32 i = 0; i < MAX_UPLINKS; i++) {
		struct uplink *uplink = ENTRY(&uplinks, i);

		if (uplink && uplink->source == address)
			return address;
	}
	return false;
}

/*
 * Whether a datagram to this address, which has arrived at this interface, may come from a peer that is reached by that uplink. There may be
 * several: the datagram may arrive by another than the one to the peer, and at the address of another, as after a change of routes.
 */
static __always_inline bool is_arrival(const struct uplink *uplink, __u32 ifindex, __u32 address)
{
	if (ifindex != uplink->ifindex && !ENTRY(&arrivals, ifindex))
		return false;
	return address == uplink->source || is_source(address);
}

/* Whether the datagram is from the address and port of the peer to a local address, and the local port, by which it is reached: CL-45, R-21 */
static __always_inline bool is_from(const struct peer *peer, const struct outer *outer, __u32 ifindex)
{
	struct uplink *uplink = ENTRY(&uplinks, peer->route & ROUTE_UPLINK);

	return uplink && peer->address == outer->ip.saddr && peer->port == outer->udp.source && peer->local_port == outer->udp.dest &&
	       is_arrival(uplink, ifindex, outer->ip.daddr);
}

/* Why a packet of a peer with right checksums is left to the socket, as a counter; NO_COUNTER: there is no reason in its IPv6 header. */
static __always_inline __u32 reason_to_leave(const struct config *c, const struct ipv6hdr *inner, const struct peer *peer, __u64 now)
{
	if (!is_own(c, &inner->daddr))
		return COUNT_inForeignDestination; /* CL-41, R-23 */
	if (inner->nexthdr == NEXT_NONE)
		return COUNT_inBubble;
	if (is_extension(inner->nexthdr))
		return COUNT_inExtension; /* C-31 */
	if (!is_valid(silence_of(peer, now)))
		return COUNT_inNotHeard;
	return NO_COUNTER;
}

/* Where route and history are in the 64 bits that begin with peer.address. */
#define ROUTE_SHIFT 48
#define HISTORY_SHIFT 56

static __always_inline __u64 unwraps_after(__u64 unwraps, bool is_bare)
{
	return is_bare ? UNWRAPS_PATIENCE : unwraps ? unwraps - 1 : 0;
}

/* Notes whether a datagram of the peer has no checksum. If `amend` changes the entry in the same moment, the next datagram tries again. */
static __always_inline void note_origin(struct peer *peer, bool is_bare)
{
	__u64 *word = (__u64 *)&peer->address, before = *word;
	__u64 unwraps = before >> HISTORY_SHIFT & HISTORY_UNWRAPS, after = unwraps_after(unwraps, is_bare);

	if (after != unwraps)
		__sync_val_compare_and_swap(word, before, (before & ~((__u64)HISTORY_UNWRAPS << HISTORY_SHIFT)) | after << HISTORY_SHIFT);
}

/* Notes packets from a peer to the host, of so many octets together. */
static __always_inline void note_received(const struct config *c, struct peer *peer, const struct ipv6hdr *inner, __u32 packets,
					  __u32 octets, __u64 now)
{
	peer->last_rx = now >> UNIT_SHIFT;
	__sync_fetch_and_add(&peer->rx_packets, packets);
	__sync_fetch_and_add(&peer->rx_bytes, octets);
	report(peer, &inner->saddr, now, c->reporting);
	if (c->role == ROLE_RELAY)
		tally(&inner->daddr, octets, true);
	count(COUNT_carriedIn, packets);
	count(COUNT_carriedInBytes, octets);
}

#endif
