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

/* A time in nanoseconds as the unit in which it is. */
static __always_inline __u32 units_of(__u64 time, __u64 now)
{
	__u64 units = time >> UNIT_SHIFT, present = now >> UNIT_SHIFT;

	return (__s64)(present - units) > OLDEST_UNITS ? present - OLDEST_UNITS : units;
}

/* The beginning of the unit, in nanoseconds. */
static __always_inline __u64 instant_of(__u32 units, __u64 now)
{
	return ((now >> UNIT_SHIFT) - (__s64)age_of(now >> UNIT_SHIFT, units)) << UNIT_SHIFT;
}

/* For how long nothing was received from the peer. Negative if user space has set the time: the coarse clock is behind its own. */
static __always_inline __s32 silence_of(const struct peer *peer, __u64 now)
{
	return (__u32)(now >> UNIT_SHIFT) - peer->last_rx;
}

/* CL-60, R-26. A time further in the future than by the difference of the clocks is one of 52 days ago. */
static __always_inline bool is_valid(__s32 silence)
{
	return silence < VALIDITY_UNITS && silence >= -SPACING_UNITS;
}

/* Notes that user space has heard the peer, unless it was heard later. Whether it was news. */
static __always_inline bool note_heard(struct peer *peer, __u64 heard, __u64 now)
{
	__u32 units = now >> UNIT_SHIFT, last = units_of(heard, now);

	if (!heard || age_of(units, last) >= age_of(units, peer->last_rx))
		return false;
	peer->last_rx = last;
	return true;
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
	report->last_rx = instant_of(peer->last_rx, now);
	report->last_tx = instant_of(peer->last_tx, now);
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
