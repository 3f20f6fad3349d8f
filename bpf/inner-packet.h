/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Kinds of IPv6 packets: with extension headers, with data that must stay in order, with much data. */
#ifndef TEREDO_INNER_PACKET_H
#define TEREDO_INNER_PACKET_H

#include "peer-maps.h"

#define NEXT_ROUTING 43
#define NEXT_AUTHENTICATION 51
#define NEXT_DESTINATION_OPTIONS 60
#define NEXT_MOBILITY 135
#define NEXT_HOST_IDENTITY 139
#define NEXT_SHIM6 140

#define TCP_LENGTH 12
#define TCP_ENDS 0x05 /* FIN, RST */

/* Whether it is an extension header, after which a routing header may follow: the machine checks that. C-31; src/wire/extension-headers.ts */
static __always_inline bool is_extension(__u8 header)
{
	switch (header) {
	case NEXT_HOP_BY_HOP:
	case NEXT_ROUTING:
	case NEXT_FRAGMENT:
	case NEXT_AUTHENTICATION:
	case NEXT_DESTINATION_OPTIONS:
	case NEXT_MOBILITY:
	case NEXT_HOST_IDENTITY:
	case NEXT_SHIM6:
		return true;
	default:
		return false;
	}
}

struct fragment {
	__u8 next;
	__u8 reserved;
	__be16 offset;
};

/* Whether the machine has to check a packet of the host for extension headers; not if it is a fragment that can have none. */
static __noinline bool is_extended(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
{
	struct fragment fragment;

	if (inner->nexthdr != NEXT_FRAGMENT)
		return is_extension(inner->nexthdr);
	if (bpf_skb_load_bytes(skb, at + sizeof(*inner), &fragment, sizeof(fragment)))
		return true;
	return !(fragment.offset & bpf_htons(0xfff8)) && is_extension(fragment.next);
}

/* Whether it does no harm if this packet arrives after packets that were sent later. */
static __always_inline bool is_patient(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
{
	__u8 lengths;

	if (skb->gso_size)
		return false;
	if (inner->nexthdr != IPPROTO_TCP)
		return true;
	if (bpf_skb_load_bytes(skb, at + sizeof(*inner) + TCP_LENGTH, &lengths, sizeof(lengths)))
		return false;
	return bpf_ntohs(inner->payload_len) == (lengths >> 4) * 4;
}

/*
 * Whether a packet has data of a TCP connection, or ends one: such packets must not overtake each other, as single ones or as
 * super-packets. Or whether it has much data in UDP: a socket sends many of those at once.
 */
static __always_inline bool is_bulk(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
{
	struct {
		__u8 lengths;
		__u8 flags;
	} tcp;

	if (inner->nexthdr == IPPROTO_UDP)
		return skb->gso_size || bpf_ntohs(inner->payload_len) > BULK_UDP;
	if (inner->nexthdr != IPPROTO_TCP)
		return false;
	if (skb->gso_size || bpf_skb_load_bytes(skb, at + sizeof(*inner) + TCP_LENGTH, &tcp, sizeof(tcp)))
		return true;
	return bpf_ntohs(inner->payload_len) != (tcp.lengths >> 4) * 4 || tcp.flags & TCP_ENDS;
}

#endif
