/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Plays a crowd of Teredo clients, their server and a native host, at a cost that is small beside a relay's. It answers a bubble to the
 * server as the client would to which the bubble is addressed. It counts and drops packets to a client, or to the native host's discard
 * port.
 */
#include "../bpf/common.h"

/* The same as in bench/crowd.ts. Clients are behind 11.0.0.0/8. */
#define SERVER_PORT 3544
#define FIRST_OCTET 11
#define AT_CLIENTS 0
#define AT_NATIVE 1
/* Arrivals at clients are counted by client modulo LANES, so that each of 1, 2, 3 or 4 senders knows its own. */
#define LANES 12
#define DISCARD 9
#define ECHO_REQUEST 128
#define ECHO_REPLY 129

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * LANES);
	__type(key, __u32);
	__type(value, __u64);
} arrived SEC(".maps");

/* When the last packet arrived, ns. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} arrived_at SEC(".maps");

struct bubble {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct udphdr udp;
	struct ipv6hdr inner;
} __attribute__((packed));

static __always_inline int count(__u32 where, __u32 client)
{
	__u32 slot = where * LANES + client % LANES;
	__u64 *packets = bpf_map_lookup_elem(&arrived, &slot);
	__u64 *at = bpf_map_lookup_elem(&arrived_at, &where);

	if (packets)
		__sync_fetch_and_add(packets, 1);
	if (at)
		*at = bpf_ktime_get_ns();
	return TC_ACT_SHOT;
}

/* The client's answer goes to the source of the bubble. Its own mapped address, inverted, is in its Teredo address. */
static __always_inline int answer(struct __sk_buff *skb)
{
	struct bubble asked, back;
	__u32 mapped;

	if (bpf_skb_load_bytes(skb, 0, &asked, sizeof(asked)) || asked.inner.nexthdr != NEXT_NONE)
		return TC_ACT_SHOT;
	back = asked;
	__builtin_memcpy(back.ethernet.h_source, asked.ethernet.h_dest, ETH_ALEN);
	__builtin_memcpy(back.ethernet.h_dest, asked.ethernet.h_source, ETH_ALEN);
	mapped = ~asked.inner.daddr.in6_u.u6_addr32[3];
	back.ip.saddr = mapped;
	back.ip.daddr = asked.ip.saddr;
	back.ip.check = 0;
	back.ip.check = header_checksum(&back.ip);
	back.udp.source = ~asked.inner.daddr.in6_u.u6_addr16[5];
	back.udp.dest = asked.udp.source;
	back.udp.check = 0;
	back.inner.saddr = asked.inner.daddr;
	back.inner.daddr = asked.inner.saddr;
	if (bpf_skb_store_bytes(skb, 0, &back, sizeof(back), 0))
		return TC_ACT_SHOT;
	return bpf_redirect(skb->ifindex, 0);
}

static __always_inline int is_discarded(struct __sk_buff *skb)
{
	struct {
		struct ipv6hdr ip;
		struct udphdr udp;
	} packet;

	return skb->protocol == bpf_htons(ETH_P_IPV6) && !bpf_skb_load_bytes(skb, ETH_HLEN, &packet, sizeof(packet)) &&
	       packet.ip.nexthdr == IPPROTO_UDP && packet.udp.dest == bpf_htons(DISCARD);
}

/* A client of this program sends them to its peers, too. They are not counted. */
static __always_inline int is_bubble(struct __sk_buff *skb)
{
	struct bubble bubble;

	return !bpf_skb_load_bytes(skb, 0, &bubble, sizeof(bubble)) && bubble.inner.nexthdr == NEXT_NONE;
}

struct echo {
	struct ethhdr ethernet;
	struct iphdr ip;
	struct udphdr udp;
	struct ipv6hdr inner;
	__u8 type, code;
	__u16 check;
} __attribute__((packed));

/* Answers an echo request to a client, as hosts do. Without an answer a relay of this program does not prove its kernel path. */
static __always_inline int echo(struct __sk_buff *skb, const struct echo *asked)
{
	struct echo back = *asked;
	__u32 sum;

	__builtin_memcpy(back.ethernet.h_source, asked->ethernet.h_dest, ETH_ALEN);
	__builtin_memcpy(back.ethernet.h_dest, asked->ethernet.h_source, ETH_ALEN);
	back.ip.saddr = asked->ip.daddr;
	back.ip.daddr = asked->ip.saddr;
	back.udp.source = asked->udp.dest;
	back.udp.dest = asked->udp.source;
	back.udp.check = 0;
	back.inner.saddr = asked->inner.daddr;
	back.inner.daddr = asked->inner.saddr;
	back.type = ECHO_REPLY;
	/* The type has become greater by one, so the complement of the sum becomes less by 0x100. */
	sum = bpf_ntohs(asked->check) + 0xffff - 0x100;
	back.check = bpf_htons((sum & 0xffff) + (sum >> 16));
	if (bpf_skb_store_bytes(skb, 0, &back, sizeof(back), 0))
		return TC_ACT_SHOT;
	return bpf_redirect(skb->ifindex, 0);
}

SEC("tc")
int clients(struct __sk_buff *skb)
{
	struct {
		struct iphdr ip;
		struct udphdr udp;
	} o;
	struct echo asked;

	/* From a null relay, which does not wrap. */
	if (is_discarded(skb))
		return count(AT_CLIENTS, 0);
	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &o, sizeof(o)) ||
	    o.ip.protocol != IPPROTO_UDP)
		return GO_ON;
	if (o.udp.dest == bpf_htons(SERVER_PORT))
		return answer(skb);
	if (bpf_ntohl(o.ip.daddr) >> 24 != FIRST_OCTET)
		return GO_ON;
	if (is_bubble(skb))
		return TC_ACT_SHOT;
	if (!bpf_skb_load_bytes(skb, 0, &asked, sizeof(asked)) && asked.inner.nexthdr == IPPROTO_ICMPV6 &&
	    asked.type == ECHO_REQUEST)
		return echo(skb, &asked);
	return count(AT_CLIENTS, bpf_ntohl(o.ip.daddr) & 0xffffff);
}

SEC("tc")
int native(struct __sk_buff *skb)
{
	return is_discarded(skb) ? count(AT_NATIVE, 0) : GO_ON;
}

char _license[] SEC("license") = "Dual MIT/GPL";
