/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Notices and reports about peers to user space: at most one notice a second, and one report in config.reporting. */
#ifndef TEREDO_PEER_REPORTS_H
#define TEREDO_PEER_REPORTS_H

#include "peer-maps.h"

/* Offsets of the two times in the 64 bits of peer.last_notice and peer.last_report. */
#define NOTICE_SHIFT 0
#define REPORT_SHIFT 32
#define HALF 0xffffffffULL

/*
 * How long ago a time was. `since` may be in the future; if it seems far in the future, it is in fact half the range of these numbers ago, or
 * more.
 */
static __always_inline __s32 age_of(__u32 units, __u32 since)
{
	__s32 age = units - since;

	return age < -FAR_UNITS ? 0x7fffffff : age;
}

/* Whether this much time has passed. */
static __always_inline bool has_passed(__u32 units, __u32 since, __s32 span)
{
	return age_of(units, since) >= span;
}

/*
 * Whether this much time has passed since that time. If so, sets it to now, unless another processor has done so. A change of the other
 * time in the same moment counts as that: the next packet tries again.
 */
static __always_inline bool take_turn(struct peer *peer, __u32 shift, __u64 now, __s32 spacing)
{
	__u64 *turns = (__u64 *)&peer->last_notice, before = *turns;
	__u64 units = now >> UNIT_SHIFT & HALF;

	if (!has_passed(units, before >> shift, spacing))
		return false;
	return __sync_val_compare_and_swap(turns, before, (before & ~(HALF << shift)) | units << shift) == before;
}

/* Sends user space a notice, which wakes it at once. */
static __always_inline void notify(__u32 kind, const struct in6_addr *peer, const struct in6_addr *source)
{
	struct notice *notice = bpf_ringbuf_reserve(&reports, sizeof(*notice), 0);

	if (!notice) {
		count(COUNT_reportsLate, 1);
		return;
	}
	__builtin_memcpy(notice->peer, peer, sizeof(notice->peer));
	__builtin_memcpy(notice->source, source, sizeof(notice->source));
	notice->kind = kind;
	bpf_ringbuf_submit(notice, BPF_RB_FORCE_WAKEUP);
}

/* Sends user space the peer's counts, at most once in so many units. */
static __always_inline void report(struct peer *peer, const struct in6_addr *address, __u64 now, __s32 spacing)
{
	struct report *report;
	__u64 packets;

	if (!has_passed(now >> UNIT_SHIFT, peer->last_report, spacing))
		return;
	report = bpf_ringbuf_reserve(&reports, sizeof(*report), 0);
	if (!report) {
		count(COUNT_reportsLate, 1);
		return;
	}
	if (!take_turn(peer, REPORT_SHIFT, now, spacing)) {
		bpf_ringbuf_discard(report, BPF_RB_NO_WAKEUP);
		return;
	}
	__builtin_memcpy(report->peer, address, sizeof(report->peer));
	report->last_rx = peer->last_rx;
	report->last_tx = peer->last_tx;
	report->rx_bytes = __sync_lock_test_and_set(&peer->rx_bytes, 0);
	report->tx_bytes = __sync_lock_test_and_set(&peer->tx_bytes, 0);
	packets = __sync_lock_test_and_set((__u64 *)&peer->rx_packets, 0);
	report->rx_packets = packets;
	report->tx_packets = packets >> 32;
	bpf_ringbuf_submit(report, BPF_RB_NO_WAKEUP);
}

static __always_inline __u32 way_to(const struct peer *peer)
{
	return peer->route >> ROUTE_WAY_SHIFT;
}

#endif
