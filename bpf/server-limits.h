/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The limits of the server's kernel path: token buckets under a keyed hash, and the record of the addresses that reach a limit. */
#ifndef TEREDO_SERVER_LIMITS_H
#define TEREDO_SERVER_LIMITS_H

#include "common.h"
#include "server.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BUDGETS);
	__type(key, __u32);
	__type(value, struct budget);
} budgets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BUDGETS * BUCKETS);
	__type(key, __u32);
	__type(value, __u64); /* the time when it was filled, and the parts of tokens since then; 0: never used, so full */
} buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LIMITS * LIMIT_SLOTS);
	__type(key, __u32);
	__type(value, struct limit_hit);
} limit_hits SEC(".maps");

#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))

#define ROUND(v0, v1, v2, v3)                                                                                      \
	do {                                                                                                           \
		v0 += v1;                                                                                                  \
		v1 = ROTATE(v1, 5) ^ v0;                                                                                   \
		v0 = ROTATE(v0, 16);                                                                                       \
		v2 += v3;                                                                                                  \
		v3 = ROTATE(v3, 8) ^ v2;                                                                                   \
		v0 += v3;                                                                                                  \
		v3 = ROTATE(v3, 7) ^ v0;                                                                                   \
		v2 += v1;                                                                                                  \
		v1 = ROTATE(v1, 13) ^ v2;                                                                                  \
		v2 = ROTATE(v2, 16);                                                                                       \
	} while (0)

/* HalfSipHash-1-3 of two words, as in src/core/hash.ts. Without the key a sender cannot choose the address with which it shares a bucket. */
static __always_inline __u32 hash_here(const struct server_config *c, __u32 a, __u32 b)
{
	__u32 v0 = c->key0, v1 = c->key1, v2 = 0x6c796765 ^ c->key0, v3 = 0x74656462 ^ c->key1;
	__u32 length = 8u << 24;

	v3 ^= a;
	ROUND(v0, v1, v2, v3);
	v0 ^= a;
	v3 ^= b;
	ROUND(v0, v1, v2, v3);
	v0 ^= b;
	v3 ^= length;
	ROUND(v0, v1, v2, v3);
	v0 ^= length;
	v2 ^= 0xff;
	ROUND(v0, v1, v2, v3);
	ROUND(v0, v1, v2, v3);
	ROUND(v0, v1, v2, v3);
	return v1 ^ v3;
}

static __noinline __u32 hash(const struct server_config *c, __u32 a, __u32 b)
{
	return hash_here(c, a, b);
}

/*
 * Takes this many parts of tokens from the bucket that a hash chooses. If there are fewer: false, and the bucket stays as it is, so that the
 * time counts on until it is enough. `now`: in TIME_UNITs of the coarse clock, which may be slow by a SLACK. So a full bucket is filled again only
 * after one: otherwise it would give some tokens more than its burst and its rate permit. Another processor may change the bucket
 * meanwhile: then it is read again. `after`: the bucket's new value.
 */
static __always_inline bool take_here(__u32 kind, __u32 key, __u64 cost, __u64 now, __u64 *after)
{
	__u64 before, parts, at, elapsed, *bucket;
	struct budget *budget;

	if (kind >= BUDGETS)
		return false;
	budget = ENTRY(&budgets, kind);
	bucket = ENTRY(&buckets, kind * BUCKETS + key % BUCKETS);
	if (!budget || !bucket)
		return false;
#pragma unroll
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		before = *(volatile __u64 *)bucket;
		parts = before & PARTS_MASK;
		at = before >> PARTS_BITS;
		elapsed = (now - at) & TIME_MASK;
		if (elapsed > TIME_MASK - AHEAD)
			elapsed = 0; /* filled to the brim a moment ago, or by a processor with a later time */
		if (!before || elapsed >= budget->fill) {
			parts = budget->burst;
			at = now + SLACK;
		} else if (elapsed >= FILLING || parts < cost) {
			parts += elapsed * budget->per_unit >> RATE_SHIFT;
			at += elapsed;
		}
		if (parts > budget->burst) {
			parts = budget->burst;
			at = now + SLACK;
		}
		if (parts < cost)
			return false;
		*after = (at & TIME_MASK) << PARTS_BITS | (parts - cost);
		if (!*after)
			*after = 1; /* 0: never used */
		if (__sync_val_compare_and_swap(bucket, before, *after) == before)
			return true;
	}
	return false;
}

static __noinline bool take(__u32 kind, __u32 key, __u64 cost, __u64 now)
{
	__u64 after;

	return take_here(kind, key, cost, now, &after);
}

/*
 * FairBudget.take: from the group's shared tokens, otherwise from the reserve, of which each member gets a few. `kind`: the shared one. `id`:
 * for the IPv4 identification, different for the datagrams of a group that follow each other.
 */
static __always_inline bool take_fairly_here(const struct server_config *c, __u32 kind, __u32 group, __u32 member, __u64 cost, __u64 now,
					     __u16 *id)
{
	__u32 shared = hash_here(c, group, kind);
	__u64 after = 0;

	if (take_here(kind, shared, cost, now, &after)) {
		/* The tokens that are left, and for those that were left before, too, the time. */
		*id = (shared >> 16) + (after >> TOKEN_SHIFT) + (after >> PARTS_BITS) * 0x9e37;
		return true;
	}
	*id = bpf_get_prandom_u32();
	return take(kind + 1, hash(c, shared, member), cost, now) && take(kind + 2, shared, cost, now);
}

/* The arguments of the same. */
struct payment {
	__u64 cost;
	__u64 now;
	__u32 kind;
	__u32 group;
	__u32 member;
	__u16 id; /* the result */
};

/* The same, not inlined: to save stack. */
static __noinline bool take_fairly(const struct server_config *c, struct payment *p)
{
	return take_fairly_here(c, p->kind, p->group, p->member, p->cost, p->now, &p->id);
}

/*
 * Records that this address has reached a limit. Each slot keeps the address of a majority (Boyer and Moore, 1981): constant memory, and
 * the heaviest sender is found. Each processor has slots of its own, so that no count is lost.
 */
static __noinline int limited(const struct server_config *c, __u32 limit, __u32 address)
{
	struct limit_hit *hit = ENTRY(&limit_hits, limit * LIMIT_SLOTS + hash(c, address, limit) % LIMIT_SLOTS);

	if (!hit)
		return 0;
	if (hit->address == address) {
		if (hit->lead < MAX_LEAD)
			hit->lead++;
		hit->times_of_address++;
	} else if (hit->lead) {
		hit->lead--;
	} else {
		hit->lead = 1;
		hit->times_of_address = 1;
		IN_ORDER();
		hit->address = address;
	}
	/* Written last and read first: user space never reads a hit of the slot before it can read the address of that hit. */
	IN_ORDER();
	hit->times++;
	return 0;
}

#endif
