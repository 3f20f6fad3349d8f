/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Many peers at once: one call for each costs user space several times as much as the change itself. */
#ifndef TEREDO_OFFERS_H
#define TEREDO_OFFERS_H

#include "peer-reports.h"

/* A new entry. On the stack, the verifiers of some kernels (6.1) would refuse its writes to users without CAP_PERFMON. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct peer);
} entries SEC(".maps");

/* The first notice and the first report are due at once, and the first sample, too. */
static __always_inline __u8 add_peer(const struct offer *offer, __u64 now)
{
	__u32 zero = 0;
	struct peer *peer = bpf_map_lookup_elem(&entries, &zero);

	if (!peer)
		return OFFER_REFUSED;
	__builtin_memset(peer, 0, sizeof(*peer));
	peer->last_rx = peer->last_tx = units_of(offer->last_rx, now);
	peer->address = offer->address;
	peer->port = offer->port;
	peer->local_port = offer->local_port;
	peer->route = (offer->uplink & ROUTE_UPLINK) | WAY_INWARD << ROUTE_WAY_SHIFT;
	peer->last_notice = peer->last_report = (now >> UNIT_SHIFT) - LONG_AGO_UNITS;
	peer->socket_heard = offer->socket_heard;
	peer->last_sample_in = (now >> LONG_UNIT_SHIFT) - LONG_UNITS(LONG_AGO_UNITS);
	peer->last_sample_out = now >> LONG_UNIT_SHIFT;
	return bpf_map_update_elem(&peers, &offer->peer, peer, BPF_NOEXIST) ? OFFER_REFUSED : OFFER_ADDED;
}

static __always_inline __u8 follow_offer(const struct offer *offer, __u64 now)
{
	struct peer *peer = bpf_map_lookup_elem(&peers, &offer->peer);
	bool is_news;

	if (!peer)
		return add_peer(offer, now);
	if (peer->address != offer->address || peer->port != offer->port || peer->local_port != offer->local_port ||
	    (peer->route & ROUTE_UPLINK) != offer->uplink)
		return OFFER_ELSEWHERE;
	is_news = note_heard(peer, offer->last_rx, now);
	/* Where it is news, the time in the entry is the older one, even if it has come round. */
	if (offer->last_rx && (is_news || (__s16)(offer->socket_heard - peer->socket_heard) > 0))
		peer->socket_heard = offer->socket_heard;
	return OFFER_KNOWN;
}

/*
 * Follows the offer at an offset of the frame, and writes the result there. False: there is none. Not static, so that the verifier looks at it
 * once instead of once for each offer: that of 6.1 gives up on so many branches, if the user has no CAP_PERFMON.
 */
__noinline bool follow_offer_at(struct __sk_buff *skb, __u32 at, __u64 now)
{
	struct offer offer;
	__u8 result;

	if (bpf_skb_load_bytes(skb, at, &offer, sizeof(offer)))
		return false;
	result = follow_offer(&offer, now);
	return !bpf_skb_store_bytes(skb, at + offsetof(struct offer, result), &result, sizeof(result), 0);
}

#endif
