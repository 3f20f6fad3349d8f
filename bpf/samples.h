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

/* For how long the socket has received nothing from the peer. `now` may be slow, so the result may be negative. */
static __always_inline __s32 unseen_units(const struct peer *peer, __u64 now)
{
	return (__s16)((__u16)(now >> LONG_UNIT_SHIFT) - peer->socket_heard);
}

/* Whether the peer's samples do not reach the socket. If so, the peer's datagrams are a sign of life at the socket only. */
static __noinline bool is_unseen(const struct peer *peer, __u64 now)
{
	__u32 zero = 0;
	struct config *c = bpf_map_lookup_elem(&config, &zero);

	return c && peer && unseen_units(peer, now) >= LONG_UNITS(stretched(UNSEEN_UNITS, c->stretch, UNSEEN_MOST_UNITS));
}

/* Which datagrams of a peer the socket has to get: none; as a sample the next that may be late without harm, or the next; all, as no sample was received. */
#define DUE_NONE 0
#define DUE_PATIENT 1
#define DUE_ANY 2
#define DUE_ALL 3

static __always_inline __u32 sample_due(const struct config *c, const struct peer *peer, __u64 now)
{
	__s32 unseen = unseen_units(peer, now), stretch = c->stretch;
	__u16 units = now >> LONG_UNIT_SHIFT;

	if (unseen < LONG_UNITS(SAMPLE_UNITS))
		return DUE_NONE;
	if (unseen >= LONG_UNITS(stretched(UNSEEN_UNITS, stretch, UNSEEN_MOST_UNITS)))
		return DUE_ALL;
	if (unseen < LONG_UNITS(stretched(SAMPLE_UNITS, stretch, SAMPLE_MOST_UNITS)) ||
	    (__u16)(units - peer->last_sample_in) < LONG_UNITS(SPACING_UNITS))
		return DUE_NONE;
	return unseen < LONG_UNITS(stretched(SAMPLE_ANY_UNITS, stretch, SAMPLE_ANY_MOST_UNITS)) ? DUE_PATIENT : DUE_ANY;
}

/*
 * Why a datagram from the peer is left to the socket, as a counter: it is a sample, or the earlier samples were not received. NO_COUNTER:
 * it is not left. A run of UDP packets is never a sample: the socket could not split it. Not inlined, to save registers.
 */
static __noinline __u32 share_of_socket(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner, struct peer *peer, __u64 now)
{
	struct config *c;
	__u32 zero = 0, due;

	c = bpf_map_lookup_elem(&config, &zero);
	if (!c || !peer)
		return NO_COUNTER;
	due = sample_due(c, peer, now);
	if (due == DUE_ALL)
		return COUNT_inUnseen;
	if (due == DUE_NONE || (skb->gso_size && inner->nexthdr == IPPROTO_UDP))
		return NO_COUNTER;
	if (due == DUE_PATIENT && !is_patient(skb, at, inner))
		return NO_COUNTER;
	peer->last_sample_in = now >> LONG_UNIT_SHIFT;
	return COUNT_inSample;
}

#endif
