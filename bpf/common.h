/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What all programs share. */
#ifndef TEREDO_COMMON_H
#define TEREDO_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/*
 * What is written before is written before. A structure on the stack is filled from its end to its beginning: where a number lies at the beginning of
 * eight octets, the verifiers of some kernels (6.1) let no user without CAP_PERFMON write into the rest.
 */
#define IN_ORDER() asm volatile("" ::: "memory")

/* Another program on this interface may have it: TCX_NEXT, and with clsact the next filter. */
#define GO_ON TC_ACT_UNSPEC

#define WRAPPING (sizeof(struct iphdr) + sizeof(struct udphdr))

#define NEXT_HOP_BY_HOP 0
#define NEXT_FRAGMENT 44
#define NEXT_ICMPV6 58
#define NEXT_NONE 59

/* A one's complement sum in 16 bits. */
static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline __u16 header_checksum(const struct iphdr *ip)
{
	const __u16 *words = (const __u16 *)ip;
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < (int)(sizeof(*ip) / 2); i++)
		sum += words[i];
	return ~fold(sum);
}

/* Of a datagram in an Ethernet frame, where IPv4 has no options. */
#define CHECKSUM_AT (ETH_HLEN + sizeof(struct iphdr) + offsetof(struct udphdr, check))

/*
 * Whether the kernel knows that a datagram's checksum, or one within, is still to be made, as over virtual links. The octets in the field do not
 * tell: any sender can write those, and a right checksum may have the same ones. But a call that updates a checksum leaves the packet alone then.
 */
static __always_inline bool is_unfinished(struct __sk_buff *skb, __u16 checksum)
{
	__u16 updated;

	if (bpf_l4_csum_replace(skb, CHECKSUM_AT, 0, 1, sizeof(checksum)) ||
	    bpf_skb_load_bytes(skb, CHECKSUM_AT, &updated, sizeof(updated)))
		return false; /* no memory */
	if (updated == checksum)
		return true;
	bpf_skb_store_bytes(skb, CHECKSUM_AT, &checksum, sizeof(checksum), 0);
	return false;
}

#endif
