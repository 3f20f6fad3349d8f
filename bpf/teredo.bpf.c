/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The kernel path: carries packets of peers that the machine in user space has found to be trusted.
 *
 *     encap   egress of the tunnel    IPv6 to an offered peer: wrapped, sent out through the peer's uplink
 *     decap   ingress of an uplink    a datagram of an offered peer: unwrapped, received on the tunnel
 *
 * Whatever is not plainly a packet of such a peer goes on as if there were no such program, to user space. The rules are
 * those of src/core for a trusted peer; rows are those of docs/rfc-compliance.md.
 */
#include "common.h"
#include "teredo.h"
#include "counters.h"

/* Kernel 6.3; not in every distribution's headers. */
#define ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)

/* AF_INET, whose header is not for programs. */
#define ADDRESSES_OF_IPV4 2

#define NEXT_ROUTING 43
#define ICMPV6_ECHO_REPLY 129
#define ICMPV6_ROUTER_ADVERTISEMENT 134
/* Of an answer to our connectivity test: the echo's 8 octets and a nonce of 8. */
#define TEST_REPLY_LENGTH 16

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
	__uint(max_entries, 1); /* set when loaded, as that of the two below */
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
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} reports SEC(".maps");

static __always_inline int go_on(__u32 counter)
{
	count(counter, 1);
	return GO_ON;
}

/* How many packets of `length` octets in all one stands for. The kernel forgets their number when it wraps them. */
static __always_inline __u32 packets_of(struct __sk_buff *skb, __u32 length)
{
	__u32 most = skb->gso_size;

	if (!most)
		return 1;
	return skb->gso_segs ?: (length - sizeof(struct ipv6hdr) + most - 1) / most;
}

/*
 * Fills in `*to` with what is at a constant offset, from where it lies, if headers are where they usually are: a call that copies
 * costs several times as much. False where the packet ends before.
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

/* never Teredo's own range, link-local, multicast, unspecified or loopback. */
static __always_inline bool is_served(const struct in6_addr *address)
{
	struct served_key key = { .length = 128 };
	__u32 first = bpf_ntohl(address->in6_u.u6_addr32[0]);

	if (first == 0x20010000 || first >> 24 == 0xff || first >> 22 == 0x3fa)
		return false;
	if (!first && !address->in6_u.u6_addr32[1] && !address->in6_u.u6_addr32[2] &&
	    bpf_ntohl(address->in6_u.u6_addr32[3]) <= 1)
		return false;
	__builtin_memcpy(key.prefix, address, sizeof(key.prefix));
	return bpf_map_lookup_elem(&served, &key);
}

static __always_inline bool is_own(const struct config *c, const struct in6_addr *address)
{
	const __u64 *own = (const __u64 *)c->own, *it = (const __u64 *)address;

	if (c->role == ROLE_CLIENT)
		return own[0] == it[0] && own[1] == it[1];
	return c->role == ROLE_RELAY && is_served(address);
}

/* Whether `spacing` has passed since `*last`, and nobody else has found so: then it is now. */
static __always_inline bool take_turn(__u32 *last, __u64 now)
{
	__u32 units = now >> UNIT_SHIFT, before = *last;

	return (__s32)(units - before) >= SPACING_UNITS &&
	       __sync_val_compare_and_swap(last, before, units) == before;
}

/* Tells user space how far the peer's traffic has come, at most once a second. */
static __always_inline void report(struct peer *peer, const struct in6_addr *address, __u64 now)
{
	struct report *report;

	if ((__s32)((__u32)(now >> UNIT_SHIFT) - peer->last_report) < SPACING_UNITS)
		return;
	report = bpf_ringbuf_reserve(&reports, sizeof(*report), 0);
	if (!report) {
		count(COUNT_reportsLate, 1);
		return;
	}
	if (!take_turn(&peer->last_report, now)) {
		bpf_ringbuf_discard(report, BPF_RB_NO_WAKEUP);
		return;
	}
	__builtin_memcpy(report->peer, address, sizeof(report->peer));
	report->last_rx = peer->last_rx;
	report->last_tx = peer->last_tx;
	report->rx_bytes = __sync_lock_test_and_set(&peer->rx_bytes, 0);
	report->tx_bytes = __sync_lock_test_and_set(&peer->tx_bytes, 0);
	report->rx_packets = __sync_lock_test_and_set(&peer->rx_packets, 0);
	report->tx_packets = __sync_lock_test_and_set(&peer->tx_packets, 0);
	bpf_ringbuf_submit(report, BPF_RB_NO_WAKEUP);
}

/* Whether the packets that this one stands for are small enough, wrapped and not. */
static __always_inline bool fits(struct __sk_buff *skb, __u32 length, const struct uplink *uplink)
{
	/* Several as one: the kernel has cut them to the tunnel's MTU in thought. With the wrapping the sum must stay a length. */
	if (skb->gso_size)
		return uplink->mtu >= TUNNEL_MTU + WRAPPING && length + WRAPPING <= 0xffff &&
		       skb->gso_size <= TUNNEL_MTU - sizeof(struct ipv6hdr) - sizeof(struct udphdr);
	return length <= TUNNEL_MTU && length + WRAPPING <= uplink->mtu;
}

/*
 * Whether a TCP or UDP packet has its checksum; negative where there is no such packet. Where the sum is still to be made, the field holds
 * that of the pseudo-header.
 */
static __always_inline int is_summed(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
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
 * Whether the packet is one, with its checksum. The kernel leaves both cutting and summing to the interface, and virtual ones
 * leave it to the receiver. A socket there would be handed 64 KB as one datagram, and packets that the host behind it drops for
 * their checksum: only a program like this one can do with them, and only it sends datagrams without a checksum.
 */
static __always_inline bool is_finished(struct __sk_buff *skb, __u32 l2, const struct ipv6hdr *inner)
{
	int summed;

	if (skb->gso_size)
		return false;
	summed = is_summed(skb, l2, inner);
	if (summed >= 0)
		return summed;
	return inner->nexthdr == NEXT_ICMPV6 || inner->nexthdr == NEXT_NONE; /* the first the kernel sums itself */
}

/* Who knows the next hop need not look for a route for each packet. */
static __always_inline int leave(const struct uplink *uplink, __u32 destination)
{
	struct bpf_redir_neigh next = { .nh_family = ADDRESSES_OF_IPV4 };

	if (uplink->gateway == GATEWAY_BY_ROUTE)
		return bpf_redirect_neigh(uplink->ifindex, NULL, 0, 0);
	next.ipv4_nh = uplink->gateway ?: destination;
	return bpf_redirect_neigh(uplink->ifindex, &next, sizeof(next), 0);
}

SEC("tc")
int encap(struct __sk_buff *skb)
{
	__u32 zero = 0, uplink_at, l2, length;
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct ethhdr *ethernet;
	struct iphdr *ip, made = {};
	struct udphdr *udp;
	struct uplink *uplink;
	struct ipv6hdr inner;
	struct peer *peer;
	bool nothing;
	__u64 now;
	__s64 silence;

	if (!c || c->role == ROLE_NONE || skb->protocol != bpf_htons(ETH_P_IPV6))
		return GO_ON;
	l2 = c->tunnel_header;
	if (l2 ? l2 != ETH_HLEN || bpf_skb_load_bytes(skb, l2, &inner, sizeof(inner)) :
		 !LOAD(skb, 0, &inner))
		return go_on(COUNT_outMalformed);
	length = skb->len - l2;
	/* C-17; what is longer than it says has to be cut, and of length 0 are the larger ones. */
	if (inner.version != 6 || length != sizeof(inner) + bpf_ntohs(inner.payload_len))
		return go_on(COUNT_outMalformed);
	peer = bpf_map_lookup_elem(&peers, &inner.daddr);
	if (!peer)
		return go_on(COUNT_outNoPeer);
	if (!is_own(c, &inner.saddr))
		return go_on(COUNT_outForeignSource); /* CL-70, R-30 */
	uplink_at = peer->uplink;
	uplink = bpf_map_lookup_elem(&uplinks, &uplink_at);
	if (!uplink || !fits(skb, length, uplink))
		return go_on(COUNT_outTooBig); /* CL-71, R-28 */

	if (!uplink->finishes && !peer->unwraps && !is_finished(skb, l2, &inner))
		return go_on(COUNT_outUnfinished);

	now = bpf_ktime_get_coarse_ns();
	silence = now - peer->last_rx; /* what user space has heard may be ahead of the coarse clock */
	if (silence >= (__s64)VALIDITY_NS)
		return go_on(COUNT_outNotHeard); /* CL-60, R-26 */
	nothing = inner.nexthdr == NEXT_NONE;
	if (!nothing && silence >= (__s64)SILENCE_NS && peer->last_tx > peer->last_rx &&
	    take_turn(&peer->last_question, now))
		return go_on(COUNT_outQuestion); /* CL-53 */

	/* DF off: C-23. No ECN outside: N-1. */
	made.version = 4;
	made.ihl = sizeof(made) / 4;
	made.tot_len = bpf_htons(length + WRAPPING);
	made.id = bpf_get_prandom_u32();
	made.ttl = c->ttl;
	made.protocol = IPPROTO_UDP;
	made.saddr = uplink->source;
	made.daddr = peer->address;
	made.check = header_checksum(&made);

	__u32 packets = packets_of(skb, length);
	/* Marks it as a UDP tunnel's: several packets as one stay so until somebody has to cut them. */
	if (bpf_skb_adjust_room(skb, WRAPPING, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_FIXED_GSO))
		return go_on(COUNT_outRefused);
	/* A TUN's packets have no Ethernet header; bpf_redirect_neigh() drops those without a word. */
	if (l2 != ETH_HLEN && bpf_skb_change_head(skb, ETH_HLEN - l2, 0))
		return TC_ACT_SHOT; /* no memory */
	ethernet = (void *)(long)skb->data;
	ip = (void *)(ethernet + 1);
	udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;
	ethernet->h_proto = bpf_htons(ETH_P_IP);
	*ip = made;
	udp->source = c->port;
	udp->dest = peer->port;
	udp->len = bpf_htons(length + sizeof(*udp));
	udp->check = 0; /* C-29: none, which also tells the peer what has sent it. The inner packet's covers what is in it. */

	if (nothing) {
		count(COUNT_carriedNothing, packets);
	} else {
		peer->last_tx = now;
		__sync_fetch_and_add(&peer->tx_packets, packets);
		__sync_fetch_and_add(&peer->tx_bytes, length);
		report(peer, &inner.daddr, now);
		count(COUNT_carriedOut, packets);
	}
	return leave(uplink, peer->address);
}

static __always_inline __u16 fold_long(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return fold((sum & 0xffff) + (sum >> 16)); /* of 18 bits at the most */
}

/* Octets summed at a time, and so many times at the most: more than any datagram of one packet on a usual wire. */
#define SUM_BLOCK 64
#define SUM_BLOCKS 24

/* The sum of the datagram at `at`, which ends with the packet, on top of `sum`; false where it is too long. */
static __always_inline bool add_datagram(struct __sk_buff *skb, __u32 at, __u64 *sum)
{
	const __u8 *next, *end;

	if (bpf_skb_pull_data(skb, skb->len))
		return false;
	next = (void *)(long)skb->data + at;
	end = (void *)(long)skb->data_end;
	for (int i = 0; i < SUM_BLOCKS && next + SUM_BLOCK <= end; i++, next += SUM_BLOCK) {
#pragma unroll
		for (int word = 0; word < SUM_BLOCK / 4; word++)
			*sum += ((const __u32 *)next)[word];
	}
	for (int i = 0; i < SUM_BLOCK / 4 && next + 4 <= end; i++, next += 4)
		*sum += *(const __u32 *)next;
	if (next + 2 <= end) {
		*sum += *(const __u16 *)next;
		next += 2;
	}
	if (next + 1 <= end) {
		*sum += bpf_htons(*next << 8);
		next++;
	}
	return next + 1 > end;
}

/*
 * Whether header and datagram have come as they were sent: the host's stack takes no others, and takes care of these. Most interfaces have summed the
 * datagram, and of several as one the kernel has. A sum that is still to be made, on virtual links, is none that can be wrong.
 */
static __always_inline bool is_intact(struct __sk_buff *skb, __u32 l2, const struct iphdr *ip, const struct udphdr *udp,
				      const struct ipv6hdr *inner)
{
	__u64 pseudo = (__u64)ip->saddr + ip->daddr + bpf_htons(IPPROTO_UDP) + udp->len, sum = pseudo;

	if (header_checksum(ip))
		return false;
	if (!udp->check || skb->gso_size || bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY) >= 0)
		return true;
	if (add_datagram(skb, l2 + sizeof(*ip), &sum) && fold_long(sum) == 0xffff)
		return true;
	return udp->check == fold_long(pseudo) || !is_summed(skb, l2 + sizeof(*ip) + sizeof(*udp), inner);
}

/* RFC 6040 section 4.2; N-8. src/core/ecn.ts does the same. The ECN field of the packet inside, or -1 where it has to be dropped. */
static __always_inline int combine_ecn(__u8 inner, __u8 outer)
{
	enum { NOT_ECT, ECT1, ECT0, CE };

	if (inner == NOT_ECT)
		return outer == CE ? -1 : NOT_ECT;
	if (outer == CE || inner == CE)
		return CE;
	return inner == ECT0 && outer == ECT1 ? ECT1 : inner;
}

SEC("tc")
int decap(struct __sk_buff *skb)
{
	const __u32 l2 = ETH_HLEN;
	struct {
		struct iphdr ip;
		struct udphdr udp;
	} outer;
	__u32 zero = 0, uplink_at, length, packets;
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct uplink *uplink;
	struct ipv6hdr inner;
	struct peer *peer;
	__u8 second;
	__u64 now;
	int ecn;

	if (!c || c->role == ROLE_NONE || skb->protocol != bpf_htons(ETH_P_IP) || skb->pkt_type != PACKET_HOST ||
	    skb->vlan_present)
		return GO_ON;
	if (!LOAD(skb, l2, &outer))
		return GO_ON;
	if (outer.ip.protocol != IPPROTO_UDP || outer.ip.version != 4 || outer.ip.ihl != sizeof(outer.ip) / 4 ||
	    outer.udp.dest != c->port)
		return GO_ON;
	if (outer.ip.frag_off & bpf_htons(0x3fff)) /* more fragments, or an offset */
		return go_on(COUNT_inExtension);
	if (!LOAD(skb, l2 + sizeof(outer), &inner))
		return go_on(COUNT_inOtherLength);
	length = sizeof(inner) + bpf_ntohs(inner.payload_len);
	if (inner.version != 6 || bpf_ntohs(outer.udp.len) != length + sizeof(outer.udp) ||
	    bpf_ntohs(outer.ip.tot_len) != length + sizeof(outer) || skb->len != l2 + sizeof(outer) + length)
		return go_on(COUNT_inOtherLength);
	peer = bpf_map_lookup_elem(&peers, &inner.saddr);
	if (!peer)
		return go_on(COUNT_inNoPeer);
	uplink_at = peer->uplink;
	uplink = bpf_map_lookup_elem(&uplinks, &uplink_at);
	if (!uplink || uplink->source != outer.ip.daddr || peer->address != outer.ip.saddr ||
	    peer->port != outer.udp.source)
		return go_on(COUNT_inElsewhere); /* CL-45, R-21 */
	if (!outer.udp.check)
		peer->unwraps = UNWRAPS_PATIENCE;
	else if (peer->unwraps)
		peer->unwraps--;
	if (!is_own(c, &inner.daddr))
		return go_on(COUNT_inForeignDestination); /* CL-41, R-23 */
	if (inner.nexthdr == NEXT_NONE)
		return go_on(COUNT_inBubble);
	if (inner.nexthdr == NEXT_HOP_BY_HOP || inner.nexthdr == NEXT_ROUTING || inner.nexthdr == NEXT_FRAGMENT)
		return go_on(COUNT_inExtension);
	now = bpf_ktime_get_coarse_ns();
	if ((__s64)(now - peer->last_rx) >= (__s64)VALIDITY_NS)
		return go_on(COUNT_inNotHeard);
	if (c->role == ROLE_CLIENT && inner.nexthdr == NEXT_ICMPV6 && inner.payload_len) {
		__u8 type;

		if (bpf_skb_load_bytes(skb, l2 + sizeof(outer) + sizeof(inner), &type, 1))
			return go_on(COUNT_inOtherLength);
		if (type == ICMPV6_ROUTER_ADVERTISEMENT)
			return go_on(COUNT_inAdvertisement); /* CL-20 */
		if (type == ICMPV6_ECHO_REPLY && length == sizeof(inner) + TEST_REPLY_LENGTH)
			return go_on(COUNT_inTestReply); /* CL-46 */
	}

	if (!is_intact(skb, l2, &outer.ip, &outer.udp, &inner))
		return go_on(COUNT_inBroken);
	second = ((__u8 *)&inner)[1];
	ecn = combine_ecn((second >> 4) & 3, outer.ip.tos & 3);
	packets = packets_of(skb, length);
	if (ecn < 0) {
		peer->last_rx = now; /* dropped, but heard */
		count(COUNT_inEcnDropped, packets);
		return TC_ACT_SHOT;
	}
	if (bpf_skb_adjust_room(skb, -(__s32)sizeof(outer), BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO | ADJ_ROOM_DECAP_L3_IPV6))
		return go_on(COUNT_inRefused);
	if (ecn != ((second >> 4) & 3)) {
		second = (second & 0xcf) | ecn << 4;
		if (bpf_skb_store_bytes(skb, l2 + 1, &second, 1, BPF_F_RECOMPUTE_CSUM))
			return TC_ACT_SHOT; /* no memory */
	}
	peer->last_rx = now;
	__sync_fetch_and_add(&peer->rx_packets, packets);
	__sync_fetch_and_add(&peer->rx_bytes, length);
	report(peer, &inner.saddr, now);
	count(COUNT_carriedIn, packets);
	return bpf_redirect(c->tunnel, BPF_F_INGRESS);
}

/* Whether this kernel can unwrap: 0, or the error. Run once on a sample, attached to nothing. */
SEC("tc")
int probe(struct __sk_buff *skb)
{
	return bpf_skb_adjust_room(skb, -(__s32)WRAPPING, BPF_ADJ_ROOM_MAC,
				   BPF_F_ADJ_ROOM_FIXED_GSO | ADJ_ROOM_DECAP_L3_IPV6);
}

char _license[] SEC("license") = "Dual MIT/GPL";
