/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Counters by reason, in an array in the order of COUNTERS. Include it after the header that defines COUNTERS. */
#ifndef TEREDO_COUNTERS_H
#define TEREDO_COUNTERS_H

enum {
#define X(name) COUNT_##name,
	COUNTERS(X)
#undef X
	COUNTER_COUNT
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void count(__u32 counter, __u64 packets)
{
	__u64 *value = ENTRY(&counters, counter);
	if (value)
		*value += packets;
}

#endif
