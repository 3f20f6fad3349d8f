/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Tallies of the octets of native prefixes: user space estimates from them which prefixes use a relay most. */
#ifndef TEREDO_NATIVE_PREFIXES_H
#define TEREDO_NATIVE_PREFIXES_H

#include "peer-maps.h"

/* User space empties it several times a second. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PREFIXES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct prefix_tallies);
} prefixes SEC(".maps");

/* Octets up to the next tally of each processor; 0 at first. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __s32);
} octets_left SEC(".maps");

/* The most tallies of one packet. Those of a longer one are made for the packet after it. */
#define TALLIES 2

/* Octets from one tally to the next: at random, so that no sender can avoid them; TALLY_OCTETS on average. */
static __always_inline __s32 random_gap(void)
{
	return TALLY_OCTETS / 2 + bpf_get_prandom_u32() % TALLY_OCTETS;
}

/* Makes the tallies that are due for the /64 prefix of a native host. Not inlined, to save stack. */
static __noinline void make_tallies(const struct in6_addr *native, __s32 *left, bool is_sent)
{
	struct prefix_tallies *tallies = bpf_map_lookup_elem(&prefixes, native), none = {};
	__u32 due = 0;

	if (!tallies) {
		bpf_map_update_elem(&prefixes, native, &none, BPF_NOEXIST);
		tallies = bpf_map_lookup_elem(&prefixes, native);
	}
#pragma unroll
	for (int i = 0; i < TALLIES; i++) {
		if (*left > 0)
			break;
		*left += random_gap();
		due++;
	}
	if (!tallies)
		count(COUNT_talliesLost, due);
	else
		__sync_fetch_and_add(is_sent ? &tallies->sent : &tallies->received, due);
}

/* Counts the octets of a packet that is carried from or to a native host. */
static __always_inline void tally(const struct in6_addr *native, __u32 length, bool is_sent)
{
	__u32 zero = 0;
	__s32 *left = bpf_map_lookup_elem(&octets_left, &zero);

	if (!left)
		return;
	if (!*left)
		*left = random_gap();
	*left -= length;
	if (*left <= 0)
		make_tallies(native, left, is_sent);
}

#endif
