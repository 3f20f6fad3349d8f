/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The maps of the programs that carry peers' packets, and helpers that every one of them uses. */
#ifndef TEREDO_PEER_MAPS_H
#define TEREDO_PEER_MAPS_H

#include "common.h"
#include "teredo.h"
#include "counters.h"

#define NO_COUNTER 0xffffffff

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_UPLINKS);
	__type(key, __u32);
	__type(value, struct uplink);
} uplinks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set when loaded; so are those of the two maps below */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct in6_addr);
	__type(value, struct peer);
} peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct served_key);
	__type(value, __u8);
} served SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct in6_addr);
	__type(value, struct proof);
} proofs SEC(".maps");

/* The interfaces at which datagrams may arrive whatever the way back is. At others the host drops those that would not leave there (rp_filter 1). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_ARRIVALS);
	__type(key, __u32);
	__type(value, __u8);
} arrivals SEC(".maps");

/* A bit for each local port by which peers are reached: that of the service, and those of sockets for one peer each. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PORT_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} reports SEC(".maps");

static __always_inline int go_on(__u32 counter)
{
	count(counter, 1);
	return GO_ON;
}

/* The number of packets in one of `length` octets. The kernel forgets it when it wraps the packet. */
static __always_inline __u32 packets_of(struct __sk_buff *skb, __u32 length)
{
	__u32 most = skb->gso_size;

	if (!most)
		return 1;
	return skb->gso_segs ?: (length - sizeof(struct ipv6hdr) + most - 1) / most;
}

/*
 * Reads the octets at a constant offset into `*to`, directly if the headers are linear: a helper that copies costs several times as much.
 * False if the packet ends before.
 */
#define LOAD(skb, offset, to)                                                                                      \
	({                                                                                                             \
		const typeof(*(to)) *from = (void *)(long)(skb)->data + (offset);                                          \
		bool is_linear = (void *)(from + 1) <= (void *)(long)(skb)->data_end;                                      \
                                                                                                                   \
		if (is_linear)                                                                                             \
			*(to) = *from;                                                                                         \
		is_linear || !bpf_skb_load_bytes(skb, offset, to, sizeof(*(to)));                                          \
	})

/* never the Teredo prefix, link-local, multicast, unspecified or loopback. */
static __always_inline bool is_served(const struct in6_addr *address)
{
	struct served_key key;
	__u32 first = bpf_ntohl(address->in6_u.u6_addr32[0]);

	if (first == 0x20010000 || first >> 24 == 0xff || first >> 22 == 0x3fa)
		return false;
	if (!first && !address->in6_u.u6_addr32[1] && !address->in6_u.u6_addr32[2] &&
	    bpf_ntohl(address->in6_u.u6_addr32[3]) <= 1)
		return false;
	__builtin_memcpy(key.prefix, address, sizeof(key.prefix));
	IN_ORDER();
	key.length = 128;
	return bpf_map_lookup_elem(&served, &key);
}

/* Whether peers are reached by this local port. */
static __always_inline bool is_own_port(__be16 port)
{
	__u32 number = bpf_ntohs(port);
	__u64 *bits = ENTRY(&ports, number >> PORTS_SHIFT);

	return bits && (*bits >> (number & ((1 << PORTS_SHIFT) - 1)) & 1);
}

static __always_inline bool is_own(const struct config *c, const struct in6_addr *address)
{
	const __u64 *own = (const __u64 *)c->own, *it = (const __u64 *)address;

	if (c->role == ROLE_CLIENT)
		return own[0] == it[0] && own[1] == it[1];
	return c->role == ROLE_RELAY && is_served(address);
}

#endif
