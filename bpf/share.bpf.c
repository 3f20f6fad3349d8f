/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Gives the packets of some of a client's peers to other workers than the first (adr/0029):
 *
 *     to_peer      chooses the queue of the tunnel's interface, by the destination
 *     from_peer    chooses one of the sockets at the service port, by the inner and the outer source
 *
 * Only the first worker's thread changes the map. Everything that is not plainly a packet of a peer in it, from the peer's place, is the first
 * worker's: so no forged source brings datagrams to another worker.
 */
#include "common.h"

#define SOURCE_ADDRESS 12

struct place {
	__be32 address;
	__be16 port;
	__u16 worker;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set when loaded */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct in6_addr);
	__type(value, struct place);
} places SEC(".maps");

/* The packet begins with its IPv6 header. */
SEC("socket")
int to_peer(struct __sk_buff *skb)
{
	struct in6_addr peer;
	struct place *place;

	if (bpf_skb_load_bytes(skb, offsetof(struct ipv6hdr, daddr), &peer, sizeof(peer)))
		return 0;
	place = bpf_map_lookup_elem(&places, &peer);
	return place ? place->worker : 0;
}

/* The address and port from which a datagram came. */
static __always_inline bool load_outer_source(struct __sk_buff *skb, __be32 *address, __be16 *port)
{
	__u8 first;

	return !bpf_skb_load_bytes_relative(skb, 0, &first, sizeof(first), BPF_HDR_START_NET) &&
	       !bpf_skb_load_bytes_relative(skb, SOURCE_ADDRESS, address, sizeof(*address), BPF_HDR_START_NET) &&
	       !bpf_skb_load_bytes_relative(skb, (first & 0xf) * 4, port, sizeof(*port), BPF_HDR_START_NET);
}

/* The packet begins behind its UDP header. Bubbles are the first worker's. */
SEC("socket")
int from_peer(struct __sk_buff *skb)
{
	struct in6_addr peer;
	struct place *place;
	__u8 version, next;
	__be32 address;
	__be16 port;

	if (bpf_skb_load_bytes(skb, 0, &version, sizeof(version)) || version >> 4 != 6)
		return 0;
	if (bpf_skb_load_bytes(skb, offsetof(struct ipv6hdr, nexthdr), &next, sizeof(next)) || next == NEXT_NONE)
		return 0;
	if (bpf_skb_load_bytes(skb, offsetof(struct ipv6hdr, saddr), &peer, sizeof(peer)))
		return 0;
	place = bpf_map_lookup_elem(&places, &peer);
	if (!place || !load_outer_source(skb, &address, &port))
		return 0;
	return place->address == address && place->port == port ? place->worker : 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
