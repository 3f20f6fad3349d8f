/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Samples: packets of peers that take the socket's path, so that the host's rules for the socket take effect. */
#ifndef TEREDO_SAMPLES_H
#define TEREDO_SAMPLES_H

#include "inner-packet.h"

/* The time between samples, stretched if there are many peers. */
static __always_inline __s32 stretched(__s32 units, __u32 stretch, __s32 most)
{
	__s32 longer = units * (__s32)stretch;

	return longer < most ? longer : most;
}

/* Whether this packet of the host is a sample, which takes the socket's path to the peer. */
static __always_inline bool is_sample_out(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner, struct peer *peer,
					  __u64 now, __u32 stretch)
{
	__u16 units = now >> LONG_UNIT_SHIFT;
	__u16 age = units - peer->last_sample_out + 1; /* the coarse clock may be slow */

	if (age <= LONG_UNITS(stretched(SAMPLE_UNITS, stretch, SAMPLE_MOST_UNITS)))
		return false;
	if (age <= LONG_UNITS(stretched(SAMPLE_ANY_UNITS, stretch, SAMPLE_ANY_MOST_UNITS)) && !is_patient(skb, at, inner))
		return false;
	peer->last_sample_out = units;
	return true;
}

/* Whether the peer's samples do not reach the socket. If so, the peer's datagrams are a sign of life at the socket only. */
static __noinline bool is_unseen(const struct peer *peer, __u64 now)
{
	__u32 zero = 0;
	struct config *c = bpf_map_lookup_elem(&config, &zero);

	return c && peer &&
	       (__s32)((__u32)(now >> UNIT_SHIFT) - peer->socket_heard) >= stretched(UNSEEN_UNITS, c->stretch, UNSEEN_MOST_UNITS);
}

/*
 * Why a datagram from the peer is left to the socket, as a counter: it is a sample, or the earlier samples were not received. NO_COUNTER:
 * it is not left. A run of UDP packets is never a sample: the socket could not split it. Not inlined, to save registers.
 */
static __noinline __u32 share_of_socket(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner, struct peer *peer, __u64 now)
{
	__s32 unseen = (__u32)(now >> UNIT_SHIFT) - peer->socket_heard, stretch;
	__u16 units = now >> LONG_UNIT_SHIFT;
	struct config *c;
	__u32 zero = 0;

	if (unseen < SAMPLE_UNITS)
		return NO_COUNTER;
	c = bpf_map_lookup_elem(&config, &zero);
	if (!c)
		return NO_COUNTER;
	stretch = c->stretch;
	if (unseen >= stretched(UNSEEN_UNITS, stretch, UNSEEN_MOST_UNITS))
		return COUNT_inUnseen;
	if (unseen < stretched(SAMPLE_UNITS, stretch, SAMPLE_MOST_UNITS) || (skb->gso_size && inner->nexthdr == IPPROTO_UDP))
		return NO_COUNTER;
	if (unseen < stretched(SAMPLE_ANY_UNITS, stretch, SAMPLE_ANY_MOST_UNITS) && !is_patient(skb, at, inner))
		return NO_COUNTER;
	if ((__u16)(units - peer->last_sample_in) < LONG_UNITS(SPACING_UNITS))
		return NO_COUNTER;
	peer->last_sample_in = units;
	return COUNT_inSample;
}

#endif
