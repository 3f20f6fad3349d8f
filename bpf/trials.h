/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* TCP segments that serve as proofs of the kernel path: struct proof in teredo.h has the rules. */
#ifndef TEREDO_TRIALS_H
#define TEREDO_TRIALS_H

#include "peer-maps.h"

struct tcp {
	__u32 ports;
	__u32 sequence;
	__u32 acknowledged;
	__u8 lengths;
	__u8 flags;
	__u16 window;
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_ACK 0x10

/* A TCP segment that takes sequence numbers. */
struct segment {
	__u32 ports;
	__u32 begin;
	__u32 end; /* both in the machine's order */
	bool is_syn;
};

/*
 * On the stack, the verifiers of some kernels (6.1) would refuse to users without CAP_PERFMON either the writes of four octets, or, without
 * zeros before them, the reads.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct segment);
} segments SEC(".maps");

/* False if the packet is not one. */
static __noinline bool read_segment(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner, struct segment *segment)
{
	__u32 header, length = bpf_ntohs(inner->payload_len);
	struct tcp tcp;

	if (inner->nexthdr != IPPROTO_TCP || bpf_skb_load_bytes(skb, at + sizeof(*inner), &tcp, sizeof(tcp)))
		return false;
	header = (tcp.lengths >> 4) * 4;
	if (length < header)
		return false;
	length -= header;
	if (tcp.flags & (TCP_SYN | TCP_FIN))
		length++;
	segment->ports = tcp.ports;
	segment->begin = bpf_ntohl(tcp.sequence);
	segment->end = segment->begin + length;
	segment->is_syn = tcp.flags & TCP_SYN;
	return length > 0;
}

static __always_inline bool is_connection(const struct proof *proof, const struct in6_addr *host, __u32 ports)
{
	const __u64 *one = (const void *)proof->host, *other = (const void *)host;

	return proof->ports == ports && one[0] == other[0] && one[1] == other[1];
}

/*
 * Whether a packet to a peer with this way is the segment to try. Only a new segment can be: an acknowledgement could be for an earlier
 * copy of it. A SYN cannot: it may have been sent before the proof began. Once the process sends an octet of the tried segment again, an
 * acknowledgement proves nothing.
 */
static __noinline bool is_trial(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner, __u32 way, __u32 units)
{
	struct proof *proof = bpf_map_lookup_elem(&proofs, &inner->daddr);
	__u32 zero = 0;
	struct segment *segment = bpf_map_lookup_elem(&segments, &zero);
	bool is_same, is_new;
	__s32 age;

	if (!proof || !segment || !read_segment(skb, at, inner, segment))
		return false;
	is_same = proof->segment != SEGMENT_WANTED && is_connection(proof, &inner->saddr, segment->ports);
	age = units - proof->at;
	if (proof->segment == SEGMENT_SENT && age >= TRIAL_UNITS)
		proof->segment = SEGMENT_SEEN;
	if (!is_same) {
		if (proof->segment == SEGMENT_SENT || (proof->segment == SEGMENT_SEEN && age < QUIET_UNITS))
			return false;
		__builtin_memcpy(proof->host, &inner->saddr, sizeof(proof->host));
		proof->ports = segment->ports;
		proof->seen = segment->end;
		proof->at = units;
		proof->segment = SEGMENT_SEEN;
		return false;
	}
	is_new = !segment->is_syn && (__s32)(segment->begin - proof->seen) >= 0;
	/*
	 * Also if another rule still leaves the packet to the process: afterwards it is no longer new. A SYN begins a new connection with
	 * the same ports.
	 */
	if (segment->is_syn || (__s32)(segment->end - proof->seen) > 0)
		proof->seen = segment->end;
	if (proof->segment == SEGMENT_SENT) {
		if ((__s32)(segment->begin - proof->end) < 0 && (__s32)(segment->end - proof->begin) > 0)
			proof->segment = SEGMENT_SEEN;
		return false;
	}
	proof->at = units;
	return way == WAY_TRIED && is_new && proof->trials < TRIALS && (!skb->gso_size || proof->bulks++ >= BULKS);
}

/* Notes that the segment to try has been wrapped: from now on its acknowledgement is a proof. */
static __noinline void begin_trial(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner, __u32 units)
{
	struct proof *proof = bpf_map_lookup_elem(&proofs, &inner->daddr);
	__u32 zero = 0;
	struct segment *segment = bpf_map_lookup_elem(&segments, &zero);

	if (!proof || proof->segment != SEGMENT_SEEN || !segment || !read_segment(skb, at, inner, segment) ||
	    !is_connection(proof, &inner->saddr, segment->ports))
		return;
	proof->begin = segment->begin;
	proof->end = segment->end;
	proof->at = units;
	proof->trials++;
	proof->segment = SEGMENT_SENT;
}

/* The packet cannot go by this path, and was not examined. It may repeat the tried segment, so an acknowledgement proves nothing any more. */
static __noinline void spoil_trial(const struct ipv6hdr *inner)
{
	struct proof *proof = bpf_map_lookup_elem(&proofs, &inner->daddr);

	if (proof && proof->segment == SEGMENT_SENT)
		proof->segment = SEGMENT_WANTED;
}

/* Whether a packet from a peer acknowledges the tried segment. */
static __noinline bool is_acknowledgement(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
{
	struct proof *proof = bpf_map_lookup_elem(&proofs, &inner->saddr);
	__u32 acknowledged;
	struct tcp tcp;

	if (!proof || proof->segment != SEGMENT_SENT || bpf_skb_load_bytes(skb, at + sizeof(*inner), &tcp, sizeof(tcp)))
		return false;
	acknowledged = bpf_ntohl(tcp.acknowledged);
	if (!is_connection(proof, &inner->daddr, tcp.ports << 16 | tcp.ports >> 16) || !(tcp.flags & TCP_ACK) ||
	    (__s32)(acknowledged - proof->end) < 0 || (__s32)(acknowledged - proof->seen) > 0)
		return false;
	proof->segment = SEGMENT_WANTED;
	proof->answered |= 1 << WAY_CHECKED;
	return true;
}

#endif
