/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Sizes and checksums of packets, and the checksums of the datagrams around them. */
#ifndef TEREDO_OUTER_CHECKSUMS_H
#define TEREDO_OUTER_CHECKSUMS_H

#include "inner-packet.h"

/* Whether the single packets of this one are small enough, before and after wrapping. */
static __always_inline bool fits(struct __sk_buff *skb, __u32 length, const struct uplink *uplink)
{
	/* A super-packet: its segments have at most the tunnel's MTU. Its wrapped length must fit into 16 bits. */
	if (skb->gso_size)
		return uplink->mtu >= TUNNEL_MTU + WRAPPING && length + WRAPPING <= 0xffff &&
		       skb->gso_size <= TUNNEL_MTU - sizeof(struct ipv6hdr) - sizeof(struct udphdr);
	return length <= TUNNEL_MTU && length + WRAPPING <= uplink->mtu;
}

/*
 * State of the checksum of a TCP or UDP packet: 1 complete, 0 still to be filled in (the field holds the sum of the pseudo-header), -1 for
 * other packets.
 */
static __always_inline int sum_state(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
{
	__u32 field, sum;
	__u16 found;

	if (inner->nexthdr == IPPROTO_TCP)
		field = 16;
	else if (inner->nexthdr == IPPROTO_UDP)
		field = 6;
	else
		return -1;
	if (bpf_skb_load_bytes(skb, at + sizeof(*inner) + field, &found, sizeof(found)))
		return -1;
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&((struct ipv6hdr *)inner)->saddr, 32,
			    bpf_htonl(bpf_ntohs(inner->payload_len) + inner->nexthdr));
	return found != fold(sum);
}

/*
 * Whether the packet is a single one with a complete checksum. The kernel leaves segmentation and checksums to the interface, and a virtual
 * interface leaves them to the receiver. A socket there would get 64 KB as one datagram, or packets that the host behind it drops for their
 * checksum. Only a program like this one can handle them, and only it sends datagrams without a checksum.
 */
static __always_inline bool is_finished(struct __sk_buff *skb, __u32 l2, const struct ipv6hdr *inner)
{
	if (skb->gso_size)
		return false;
	switch (sum_state(skb, l2, inner)) {
	case 0:
		return false;
	case 1:
		return true;
	default:
		return inner->nexthdr == NEXT_ICMPV6 || inner->nexthdr == NEXT_NONE; /* the kernel itself completes the checksum of ICMPv6 */
	}
}

/*
 * The length of the UDP datagram for a packet, or for each segment of a super-packet. 0 if the datagram's checksum does not follow from the
 * headers. It does if the packet's own checksum, complete or not, covers the whole payload: the two make 0 together. A super-packet needs
 * segments of equal length, as all get the same checksum.
 */
static __always_inline __u32 datagram_length(struct __sk_buff *skb, __u32 l2, const struct ipv6hdr *inner, __u32 length)
{
	__u32 at = l2 + sizeof(*inner), headers = sizeof(*inner), most = skb->gso_size;
	struct udphdr udp;
	__u8 lengths;

	if (inner->nexthdr == IPPROTO_TCP) {
		if (bpf_skb_load_bytes(skb, at + TCP_LENGTH, &lengths, sizeof(lengths)))
			return 0;
		headers += (lengths >> 4) * 4;
	} else if (inner->nexthdr == IPPROTO_UDP) {
		if (bpf_skb_load_bytes(skb, at, &udp, sizeof(udp)) || !udp.check)
			return 0;
		if (!most && udp.len != inner->payload_len)
			return 0;
		headers += sizeof(udp);
	} else if (inner->nexthdr != NEXT_ICMPV6 || most) {
		return 0;
	}
	if (!most)
		return length + sizeof(udp);
	if (length <= headers || (length - headers) % most)
		return 0;
	return headers + most + sizeof(udp);
}

/* The outer headers of a datagram. */
struct outer {
	struct iphdr ip;
	struct udphdr udp;
};

/* The sum of the pseudo-header of a datagram of that length. RFC 768 */
static __always_inline __u32 pseudo_sum(const struct iphdr *ip, __u32 length)
{
	__u32 sum = (ip->saddr & 0xffff) + (ip->saddr >> 16) + (ip->daddr & 0xffff) + (ip->daddr >> 16);

	return sum + bpf_htons(IPPROTO_UDP) + bpf_htons(length);
}

/* The checksum of a datagram of that length around a packet whose own checksum covers its payload. */
static __always_inline __u16 datagram_checksum(const struct iphdr *ip, const struct ipv6hdr *inner, __u16 source, __u16 destination,
					       __u32 length)
{
	const __u16 *words = (const __u16 *)inner;
	__u32 sum = words[0] + words[1] + words[3] + (__u16)~bpf_htons(inner->nexthdr);

	sum += pseudo_sum(ip, length) + bpf_htons(length) + source + destination;
	return (__u16)~fold(sum) ?: 0xffff;
}

static __always_inline __u16 fold_long(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return fold((sum & 0xffff) + (sum >> 16)); /* at most 18 bits */
}

/*
 * The most that bpf_csum_diff() takes at once before kernel 6.12, and the most such calls: together more than any single datagram on a
 * usual link.
 */
#define SUM_BLOCK 512
#define SUM_BLOCKS 3

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8[(SUM_BLOCKS + 1) * SUM_BLOCK]);
} scratch SEC(".maps");

/*
 * Adds the sum of the `length` octets at `at` to `sum`; 0 if there are too many. Uses a copy: for a loop over the packet itself the
 * verifier takes half a minute if the user has no CAP_PERFMON.
 */
static __noinline __u64 sum_octets(struct __sk_buff *skb, __u32 at, __u64 length, __u64 sum)
{
	__u32 zero = 0;
	__u8 *copy = bpf_map_lookup_elem(&scratch, &zero);

	if (!copy || length > SUM_BLOCKS * SUM_BLOCK)
		return 0;
	/* Two comparisons, each with an order: the verifier of kernel 6.1 learns no bounds from other forms. */
	asm volatile("" : "+r"(length));
	if (length < sizeof(struct udphdr) || bpf_skb_load_bytes(skb, at, copy, length))
		return 0;
	for (int i = 0; i < 4; i++)
		copy[length + i] = 0; /* sums are of whole words */
	length = (length + 3) & ~3;
#pragma unroll
	for (int block = 0; block < SUM_BLOCKS; block++) {
		__u32 from = block * SUM_BLOCK;

		if (length <= from)
			break;
		sum += bpf_csum_diff(NULL, 0, (__be32 *)(copy + from), length - from < SUM_BLOCK ? length - from : SUM_BLOCK, 0);
	}
	return sum;
}

/*
 * Whether the checksums permit the datagram at a socket. That of UDP may be absent, right, or still to be filled in, over virtual links: the
 * field then holds the sum of the pseudo-header; or the field of the inner packet does, and the outer checksum is made for that. For a
 * super-packet it has been checked before. TO_BE_MADE: the kernel's mark for such a checksum leads to that of UDP.
 */
#define WRONG 0
#define RIGHT 1
#define TO_BE_MADE 2

static __always_inline __u32 state_of_sums(struct __sk_buff *skb, __u32 l2, const struct outer *outer, const struct ipv6hdr *inner)
{
	__u32 length = bpf_ntohs(outer->udp.len), at = l2 + offsetof(struct outer, udp.check);

	if (header_checksum(&outer->ip))
		return WRONG;
	if (!outer->udp.check || skb->gso_size)
		return RIGHT;
	if (outer->udp.check == fold(pseudo_sum(&outer->ip, length)) && is_unfinished_at(skb, at, outer->udp.check))
		return TO_BE_MADE;
	if (bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY) >= 0)
		return RIGHT; /* the interface has found it right */
	if (fold_long(sum_octets(skb, l2 + sizeof(struct iphdr), length, pseudo_sum(&outer->ip, length))) == 0xffff)
		return RIGHT;
	return !sum_state(skb, l2 + WRAPPING, inner) && is_unfinished_at(skb, at, outer->udp.check) ? RIGHT : WRONG;
}

#endif
