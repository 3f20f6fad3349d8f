/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Unwraps in the driver of an uplink, before the kernel merges packets (GRO). So it merges the TCP segments that are in datagrams:
 *
 *     decap_xdp        in the driver            a peer's datagram with a TCP segment: unwrapped, marked, passed on
 *     land             in `decap`, at ingress   the segment, or several merged into one: noted, received on the tunnel
 *
 * `decap_xdp` changes no map. Each frame for which anything has to be noted, or that is not plainly such a datagram, is passed on as it is,
 * and `decap` decides. The rules are the same.
 */
#ifndef TEREDO_DECAP_XDP_H
#define TEREDO_DECAP_XDP_H

#include "decap-rules.h"

/*
 * In front of an unwrapped packet, where no octets from the link can be. The same for all packets: the kernel merges only those with the same
 * one. Another process's programs have another tunnel; a successor of this process has the same.
 */
struct unwrapped {
	__u32 magic;
	__u32 tunnel;
};

#define UNWRAPPED 0x7e3e0001
/* Octets of the extension header for lengths of more than 16 bits. */
#define JUMBO 8

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_UPLINKS);
	__type(key, __u32);
	__type(value, struct driver);
} drivers SEC(".maps");

struct tcp_header {
	__u32 ports;
	__u32 sequence;
	__u32 acknowledged;
	__u8 lengths;
	__u8 flags;
	__u16 window;
	__u16 check;
	__u16 urgent;
};

#define ADD_BLOCK(at, end, size, sum)                                                   \
	if ((at) + (size) <= (end)) {                                                       \
		(sum) += bpf_csum_diff(NULL, 0, (__be32 *)(at), size, 0);                       \
		(at) += size;                                                                   \
	}

/* Of a segment in a datagram without IPv4 options. */
#define SEGMENT_AT (ETH_HLEN + WRAPPING + sizeof(struct ipv6hdr))

/*
 * The sum of the segment's octets, which end with the frame: at most 1,535. In blocks of constant length, the only ones that the verifier permits.
 * Not static: so it is verified by itself, and not for each way that leads to it.
 */
__noinline __u64 segment_sum(struct xdp_md *ctx)
{
	const void *at = (void *)(long)ctx->data + SEGMENT_AT, *end = (void *)(long)ctx->data_end;
	__u64 sum = 0;

	ADD_BLOCK(at, end, 512, sum)
	ADD_BLOCK(at, end, 512, sum)
	ADD_BLOCK(at, end, 256, sum)
	ADD_BLOCK(at, end, 128, sum)
	ADD_BLOCK(at, end, 64, sum)
	ADD_BLOCK(at, end, 32, sum)
	ADD_BLOCK(at, end, 16, sum)
	ADD_BLOCK(at, end, 8, sum)
	ADD_BLOCK(at, end, 4, sum)
	if (at + 2 <= end) {
		sum += *(const __u16 *)at;
		at += 2;
	}
	if (at + 1 <= end)
		sum += *(const __u8 *)at;
	return sum;
}

/*
 * Whether the octets show that the checksums are right, both that of the datagram and that of the segment in it: after the driver has found the
 * outer one right, the kernel takes the inner one for right, too. A checksum that is still to be made (virtual links) has the sum of the
 * pseudo-header in its field, and the kernel knows it by a mark that is not seen here. If the outer one may be such a one, the mark would
 * later be applied to the wrong place: passed on. If the inner one may be, the mark stays right. Hardware makes no such packets, so there it is
 * a wrong one.
 */
static __always_inline bool is_summed_twice(struct xdp_md *ctx, const struct outer *outer, const struct ipv6hdr *inner,
					    const struct tcp_header *tcp, bool is_virtual)
{
	__u32 length = bpf_ntohs(outer->udp.len), outer_pseudo = pseudo_sum(&outer->ip, length);
	const __u16 *words = (const __u16 *)inner;
	__u64 addresses = bpf_csum_diff(NULL, 0, (__be32 *)&inner->saddr, 2 * sizeof(inner->saddr), 0);
	__u64 pseudo = addresses + inner->payload_len + bpf_htons(IPPROTO_TCP), sum;

	if (header_checksum(&outer->ip))
		return false;
	if (tcp->check == fold_long(pseudo))
		return !outer->udp.check && is_virtual;
	if (outer->udp.check == fold(outer_pseudo))
		return false;
	sum = segment_sum(ctx);
	if (fold_long(pseudo + sum) != 0xffff)
		return false;
	if (!outer->udp.check)
		return true;
	sum += addresses + words[0] + words[1] + words[2] + words[3];
	sum += outer_pseudo + outer->udp.source + outer->udp.dest + outer->udp.len + outer->udp.check;
	return fold_long(sum) == 0xffff;
}

/* Whether the packet may be unwrapped here without a note of anything. */
static __always_inline bool is_plain(const struct config *c, const struct peer *peer, const struct outer *outer,
				     const struct ipv6hdr *inner, const struct tcp_header *tcp, __u64 now)
{
	__u8 unwraps = peer->history & HISTORY_UNWRAPS, ecn = ((const __u8 *)inner)[1] >> 4 & 3;
	__u32 due;

	if (reason_to_leave(c, inner, peer, now) != NO_COUNTER || unwraps_after(unwraps, !outer->udp.check) != unwraps)
		return false;
	if (way_to(peer) == WAY_TRIED) /* it may acknowledge the tried segment */
		return false;
	if (combine_ecn(ecn, outer->ip.tos & 3) != ecn)
		return false;
	due = sample_due(c, peer, now);
	return due == DUE_NONE || (due == DUE_PATIENT && bpf_ntohs(inner->payload_len) != (tcp->lengths >> 4) * 4);
}

/* Removes the outer headers, and marks it. Result: XDP_PASS; or XDP_DROP if the kernel fails in the middle, which it never does. */
static __always_inline int unwrap_frame(struct xdp_md *ctx, __u32 tunnel)
{
	struct ethhdr *ethernet;
	struct unwrapped *mark;
	struct { __u16 words[3]; } source;

	ethernet = (void *)(long)ctx->data;
	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	__builtin_memcpy(&source, ethernet->h_source, sizeof(source));
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*mark)))
		return XDP_PASS; /* a driver without room for it */
	if (bpf_xdp_adjust_head(ctx, WRAPPING))
		return bpf_xdp_adjust_meta(ctx, sizeof(*mark)) ? XDP_DROP : XDP_PASS;
	ethernet = (void *)(long)ctx->data;
	mark = (void *)(long)ctx->data_meta;
	if ((void *)(ethernet + 1) > (void *)(long)ctx->data_end || (void *)(mark + 1) > (void *)ethernet)
		return XDP_DROP;
	mark->magic = UNWRAPPED;
	mark->tunnel = tunnel;
	/* No host has the address 0: a packet that no `land` takes is dropped as another host's. */
	__builtin_memset(ethernet->h_dest, 0, sizeof(ethernet->h_dest));
	__builtin_memcpy(ethernet->h_source, &source, sizeof(source));
	ethernet->h_proto = bpf_htons(ETH_P_IPV6);
	return XDP_PASS;
}

static __always_inline bool is_address_of(const struct driver *driver, const struct ethhdr *ethernet)
{
	const __u16 *one = (const __u16 *)driver->address, *other = (const __u16 *)ethernet->h_dest;

	return one[0] == other[0] && one[1] == other[1] && one[2] == other[2];
}

SEC("xdp")
int decap_xdp(struct xdp_md *ctx)
{
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct outer *outer = (void *)(ethernet + 1);
	struct ipv6hdr *inner = (void *)(outer + 1);
	struct tcp_header *tcp = (void *)(inner + 1);
	void *end = (void *)(long)ctx->data_end;
	__u32 zero = 0, ifindex = ctx->ingress_ifindex;
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct driver *driver;
	struct peer *peer;

	if (!c || c->role == ROLE_NONE || (void *)(tcp + 1) > end)
		return XDP_PASS;
	if (ethernet->h_proto != bpf_htons(ETH_P_IP) || !is_to_own_port(outer) || is_fragment(outer))
		return XDP_PASS;
	/* The whole frame: drivers give only a part of a longer one. */
	if (inner->nexthdr != IPPROTO_TCP || !is_one_packet(outer, inner, end - (void *)outer) || packet_length(inner) > TUNNEL_MTU)
		return XDP_PASS;
	driver = ENTRY(&drivers, ifindex);
	if (!driver || !is_address_of(driver, ethernet))
		return XDP_PASS;
	peer = bpf_map_lookup_elem(&peers, &inner->saddr);
	if (!peer || !is_from(peer, outer, ifindex) || !is_plain(c, peer, outer, inner, tcp, bpf_ktime_get_coarse_ns()))
		return XDP_PASS;
	if (!is_summed_twice(ctx, outer, inner, tcp, driver->is_virtual))
		return XDP_PASS;
	return unwrap_frame(ctx, c->tunnel);
}

/* Hands a packet that `decap_xdp` has unwrapped to the tunnel. GO_ON: it is any other packet. */
static __always_inline int land(struct __sk_buff *skb, const struct config *c)
{
	struct unwrapped *mark = (void *)(long)skb->data_meta;
	__u32 length = skb->len - ETH_HLEN, packets = skb->gso_segs ?: 1, at = ETH_HLEN + sizeof(struct ipv6hdr);
	struct ipv6hdr inner;
	struct peer *peer;
	__u8 lengths;

	if ((void *)(mark + 1) > (void *)(long)skb->data || mark->magic != UNWRAPPED || mark->tunnel != c->tunnel)
		return GO_ON;
	if (!LOAD(skb, ETH_HLEN, &inner))
		return TC_ACT_SHOT;
	if (inner.nexthdr == NEXT_HOP_BY_HOP) { /* a jumbogram, which the kernel has made */
		at += JUMBO;
		length -= JUMBO;
	}
	if (bpf_skb_load_bytes(skb, at + TCP_LENGTH, &lengths, sizeof(lengths)))
		return TC_ACT_SHOT;
	/* Each packet had headers of its own. */
	length += (packets - 1) * (sizeof(inner) + (lengths >> 4) * 4);
	peer = bpf_map_lookup_elem(&peers, &inner.saddr);
	if (peer)
		note_received(c, peer, &inner, packets, length, bpf_ktime_get_coarse_ns());
	count(COUNT_inDriver, packets);
	bpf_skb_change_type(skb, PACKET_HOST);
	return bpf_redirect(c->tunnel, BPF_F_INGRESS);
}

#endif
