/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Definitions that all programs share. */
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
 * Keeps the order of writes. The compiler may fill a structure on the stack from its end to its beginning. Once a number is at the
 * beginning of eight octets, the verifiers of some kernels (6.1) refuse writes to the rest by users without CAP_PERFMON.
 */
#define IN_ORDER() asm volatile("" ::: "memory")

/*
 * The entry of an array or a hash table with this number. The number is negated twice: for the same reason. The verifiers of such kernels
 * forget the value of a negated number, and then permit writes to the rest of the eight octets in which it lies on the stack.
 */
#define ENTRY(map, number)                                        \
	({                                                            \
		__u32 key_ = (number);                                    \
		asm volatile("%0 = -%0\n\t%0 = -%0" : "+r"(key_));        \
		bpf_map_lookup_elem(map, &key_);                          \
	})

/* Passes the packet to the next program on this interface: TCX_NEXT, or with clsact the next filter. */
#define GO_ON TC_ACT_UNSPEC

/* Of a VLAN tag. The other bits are a priority. */
#define VLAN_ID 0xfff

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

/* Offset of the checksum of a datagram in an Ethernet frame, if IPv4 has no options. */
#define CHECKSUM_AT (ETH_HLEN + sizeof(struct iphdr) + offsetof(struct udphdr, check))

/*
 * Whether the kernel knows that a datagram's checksum, or one within, is still to be filled in, as over virtual links. The field itself does not
 * show it: any sender can write that value, and a right checksum may be equal. But a helper that updates checksums does not touch one that is
 * still to be filled in.
 */
static __always_inline bool is_unfinished_at(struct __sk_buff *skb, __u32 at, __u16 checksum)
{
	__u16 updated;

	if (bpf_l4_csum_replace(skb, at, 0, 1, sizeof(checksum)) ||
	    bpf_skb_load_bytes(skb, at, &updated, sizeof(updated)))
		return false; /* no memory */
	if (updated == checksum)
		return true;
	bpf_skb_store_bytes(skb, at, &checksum, sizeof(checksum), 0);
	return false;
}

/* The same in an Ethernet frame. */
static __always_inline bool is_unfinished(struct __sk_buff *skb, __u16 checksum)
{
	return is_unfinished_at(skb, CHECKSUM_AT, checksum);
}

#endif
