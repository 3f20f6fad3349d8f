/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The minimum that a server can do: returns every datagram to its port 3544 to the sender. Its cost is the cost of the lab. */
#include "../bpf/common.h"

SEC("tc")
int null(struct __sk_buff *skb)
{
	struct ethhdr ethernet, back;
	struct {
		struct iphdr ip;
		struct udphdr udp;
	} o;
	__u32 address;
	__u16 port;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, 0, &ethernet, sizeof(ethernet)) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &o, sizeof(o)) || o.ip.protocol != IPPROTO_UDP ||
	    o.udp.dest != bpf_htons(3544))
		return GO_ON;
	back = ethernet;
	__builtin_memcpy(back.h_source, ethernet.h_dest, ETH_ALEN);
	__builtin_memcpy(back.h_dest, ethernet.h_source, ETH_ALEN);
	address = o.ip.saddr;
	o.ip.saddr = o.ip.daddr;
	o.ip.daddr = address;
	port = o.udp.source;
	o.udp.source = o.udp.dest;
	o.udp.dest = port;
	if (bpf_skb_store_bytes(skb, 0, &back, sizeof(back), 0) || bpf_skb_store_bytes(skb, ETH_HLEN, &o, sizeof(o), 0))
		return TC_ACT_SHOT;
	return bpf_redirect(skb->ifindex, 0);
}

/* The same in a driver. */
SEC("xdp")
int null_in_driver(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct udphdr *udp = (void *)(ip + 1);
	__u8 hardware[ETH_ALEN];
	__u32 address;
	__u16 port;

	if ((void *)(udp + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP ||
	    udp->dest != bpf_htons(3544))
		return XDP_PASS;
	__builtin_memcpy(hardware, ethernet->h_source, ETH_ALEN);
	__builtin_memcpy(ethernet->h_source, ethernet->h_dest, ETH_ALEN);
	__builtin_memcpy(ethernet->h_dest, hardware, ETH_ALEN);
	address = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = address;
	port = udp->source;
	udp->source = udp->dest;
	udp->dest = port;
	return XDP_TX;
}

char _license[] SEC("license") = "Dual MIT/GPL";
