/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Divides the packets of a relay among its workers by the client, in both directions (adr/0029):
 *
 *     to_client      chooses the queue of the tunnel's interface, by the destination
 *     from_client    chooses one of the sockets at the service port, by the inner source
 *
 * The hash is keyed: a sender cannot choose the worker. Everything else is the first worker's. src/io/workers/worker-of.ts computes the same.
 */
#include "common.h"

#define TEREDO_PREFIX 0x20010000
#define SOURCE 8
#define DESTINATION 24
#define ADDRESS 16
#define ORIGIN 8
/* Type and lengths, nonce, confirmation. RFC 4380 section 5.1.1 */
#define AUTHENTICATION (4 + 8 + 1)

const volatile __u32 key SEC(".rodata.key") = 0;
/* Odd. */
const volatile __u32 factor SEC(".rodata.factor") = 1;
const volatile __u32 workers SEC(".rodata.workers") = 1;

static __always_inline __u32 mix(__u32 hash, __u32 word)
{
	hash = (hash ^ word) * factor;
	return hash ^ (hash >> 15);
}

/* The worker of the client whose address is at this place; the first one, where there is none. */
static __always_inline int worker_of(struct __sk_buff *skb, __u32 at)
{
	__u32 address[4];
	__u32 hash = key;

	if (bpf_skb_load_bytes(skb, at, address, ADDRESS) || address[0] != bpf_htonl(TEREDO_PREFIX))
		return 0;
#pragma unroll
	for (int i = 1; i < 4; i++)
		hash = mix(hash, bpf_ntohl(address[i]));
	hash = mix(hash, 0);
	return ((__u64)hash * workers) >> 32;
}

/* The packet begins with its IPv6 header. */
SEC("socket")
int to_client(struct __sk_buff *skb)
{
	return worker_of(skb, DESTINATION);
}

/* The packet begins behind its UDP header: [authentication] [origin indication] IPv6 packet. */
SEC("socket")
int from_client(struct __sk_buff *skb)
{
	__u8 head[4];
	__u32 at = 0;

	if (bpf_skb_load_bytes(skb, at, head, sizeof(head)))
		return 0;
	if (head[0] == 0 && head[1] == 1) {
		at = AUTHENTICATION + head[2] + head[3];
		if (bpf_skb_load_bytes(skb, at, head, sizeof(head)))
			return 0;
	}
	if (head[0] == 0 && head[1] == 0) {
		at += ORIGIN;
		if (bpf_skb_load_bytes(skb, at, head, sizeof(head)))
			return 0;
	}
	return head[0] >> 4 == 6 ? worker_of(skb, at + SOURCE) : 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
