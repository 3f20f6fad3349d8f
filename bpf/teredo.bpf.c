/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The kernel path: carries packets of peers that the machine in user space trusts.
 *
 *     encap   egress of the tunnel    IPv6 to an offered peer: wrapped, sent by the peer's uplink
 *     decap, decap_bare   ingress of an uplink with, and without, an Ethernet header: a datagram of an offered peer is unwrapped, and
 *                         received on the tunnel
 *     decap_xdp           in the driver of an uplink: the same for TCP, before the kernel merges packets (decap-xdp.h)
 *     merged              ingress of the second end of the pair in which segments of `decap` are merged (merging.h)
 *
 * Every packet that is not plainly one of such a peer goes to user space, as if there were no program. The rules are those of src/core for
 * a trusted peer; rows are those of docs/rfc-compliance.md.
 */
#include "peer-maps.h"
#include "peer-reports.h"
#include "inner-packet.h"
#include "native-prefixes.h"
#include "samples.h"
#include "outer-checksums.h"
#include "trials.h"
#include "decap-rules.h"
#include "offers.h"
#include "merging.h"
#include "decap-xdp.h"

/* Kernel 6.3; not in every distribution's headers. */
#define ADJ_ROOM_DECAP_L3_IPV6 (1ULL << 8)

/* A program cannot include errno.h. */
#define NO_MEMORY 12

/* AF_INET, whose header a program cannot include. */
#define ADDRESSES_OF_IPV4 2

#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129
#define ICMPV6_ROUTER_ADVERTISEMENT 134
/* Length of an answer to a connectivity test or a proof: 8 octets of the echo, and a nonce of 8. */
#define TEST_REPLY_LENGTH 16

/* Sends a packet to the only other end of a bare link, to the known next hop, or asks the routes for it. */
static __always_inline int leave(const struct uplink *uplink, __u32 destination)
{
	struct bpf_redir_neigh next = {};

	if (uplink->is_bare)
		return bpf_redirect(uplink->ifindex, 0);
	if (uplink->gateway == GATEWAY_BY_ROUTE)
		return bpf_redirect_neigh(uplink->ifindex, NULL, 0, 0);
	IN_ORDER();
	next.ipv4_nh = uplink->gateway ?: destination;
	IN_ORDER();
	next.nh_family = ADDRESSES_OF_IPV4;
	return bpf_redirect_neigh(uplink->ifindex, &next, sizeof(next), 0);
}

/* Whether a packet is an echo request of a proof, sent by `inject`. */
static __always_inline bool is_request(const struct __sk_buff *skb, const struct config *c)
{
	return c->mark && (skb->mark & ~WAY_MASK) == c->mark;
}

/* Leaves a packet of the host to user space. Drops an echo request of a proof: its answer would prove nothing about this path. */
static __noinline int leave_out(struct __sk_buff *skb, __u32 counter)
{
	__u32 zero = 0;
	struct config *c = bpf_map_lookup_elem(&config, &zero);

	count(counter, 1);
	return c && is_request(skb, c) ? TC_ACT_SHOT : GO_ON;
}

/*
 * Flags in the result of `way_of_packet` in addition to the WAY: the packet is not traffic; it is a trial; it is left to user space, with a
 * counter for the reason.
 */
#define NO_TRAFFIC 0x10
#define TRIAL 0x20
#define LEFT 0x100

/* The way of a packet to a peer. Not inlined, to save registers. */
static __noinline __u32 way_of_packet(struct __sk_buff *skb, __u32 l2, const struct ipv6hdr *inner, struct peer *peer, __u64 now)
{
	__u32 zero = 0, way = way_to(peer);
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	__s32 silence = silence_of(peer, now);

	if (!is_valid(silence))
		return LEFT | COUNT_outNotHeard; /* CL-60, R-26 */
	if (!c)
		return LEFT | COUNT_outUnproven;
	if (is_request(skb, c))
		return NO_TRAFFIC | (skb->mark & WAY_MASK);
	if (way == WAY_INWARD || way == WAY_TRIED) {
		if (is_trial(skb, l2, inner, way, now >> UNIT_SHIFT))
			return TRIAL | WAY_CHECKED;
		if (take_turn(peer, NOTICE_SHIFT, now, SPACING_UNITS))
			notify(NOTICE_WANTED, &inner->daddr, &inner->saddr);
		return LEFT | COUNT_outUnproven;
	}
	if (has_passed(now >> UNIT_SHIFT, peer->last_notice, c->renewal)) {
		peer->last_notice = now >> UNIT_SHIFT;
		notify(NOTICE_WANTED, &inner->daddr, &inner->saddr);
	}
	if (inner->nexthdr == NEXT_NONE)
		return NO_TRAFFIC | way;
	if (silence >= SILENCE_UNITS && age_of(now >> UNIT_SHIFT, peer->last_tx) < silence) {
		/* A peer that only receives is silent, too: its way stays, and is proven again. */
		if (take_turn(peer, NOTICE_SHIFT, now, SPACING_UNITS))
			notify(NOTICE_SILENT, &inner->daddr, &inner->saddr);
		return LEFT | COUNT_outQuestion; /* CL-53 */
	}
	if (is_sample_out(skb, l2, inner, peer, now, c->stretch))
		return LEFT | COUNT_outSample;
	return way;
}

SEC("tc")
int encap(struct __sk_buff *skb)
{
	__u32 zero = 0, l2, length, way, datagram = 0;
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct ethhdr *ethernet;
	struct iphdr *ip, made = {};
	struct udphdr *udp;
	struct uplink *uplink;
	struct ipv6hdr inner;
	struct peer *peer;
	__u64 now;

	if (!c || c->role == ROLE_NONE || skb->protocol != bpf_htons(ETH_P_IPV6))
		return GO_ON;
	l2 = c->tunnel_header;
	if (l2 ? l2 != ETH_HLEN || bpf_skb_load_bytes(skb, l2, &inner, sizeof(inner)) :
		 !LOAD(skb, 0, &inner))
		return leave_out(skb, COUNT_outMalformed);
	length = skb->len - l2;
	/* C-17. A packet longer than its header says has to be cut, and a length of 0 stands for a larger one. */
	if (inner.version != 6 || length != sizeof(inner) + bpf_ntohs(inner.payload_len))
		return leave_out(skb, COUNT_outMalformed);
	peer = bpf_map_lookup_elem(&peers, &inner.daddr);
	if (!peer)
		return leave_out(skb, COUNT_outNoPeer);
	if (!is_own(c, &inner.saddr))
		return leave_out(skb, COUNT_outForeignSource); /* CL-70, R-30 */
	uplink = ENTRY(&uplinks, peer->route & ROUTE_UPLINK);
	if (!uplink || !fits(skb, length, uplink)) {
		spoil_trial(&inner);
		return leave_out(skb, COUNT_outTooBig); /* CL-71, R-28 */
	}
	if (is_extended(skb, l2, &inner))
		return leave_out(skb, COUNT_outExtension); /* C-31 */

	now = bpf_ktime_get_coarse_ns();
	way = way_of_packet(skb, l2, &inner, peer, now);
	if (way & LEFT)
		return leave_out(skb, way & ~LEFT);
	if (uplink->cuts && is_bulk(skb, l2, &inner))
		return leave_out(skb, COUNT_outBulk);
	if (!uplink->finishes && !((way & WAY_MASK) == WAY_BARE && peer->history & HISTORY_UNWRAPS) && !is_finished(skb, l2, &inner))
		return leave_out(skb, COUNT_outUnfinished);
	if ((way & WAY_MASK) != WAY_BARE) {
		datagram = datagram_length(skb, l2, &inner, length);
		if (!datagram)
			return leave_out(skb, COUNT_outUnsummed);
	}

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
	/* Marks it as a UDP tunnel's: a super-packet is then segmented as late as possible. */
	if (bpf_skb_adjust_room(skb, WRAPPING, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_FIXED_GSO))
		return leave_out(skb, COUNT_outRefused);
	/* A TUN's packets have no Ethernet header; bpf_redirect_neigh() drops those without an error. bpf_redirect() takes one off. */
	if (!uplink->is_bare) {
		if (l2 != ETH_HLEN && bpf_skb_change_head(skb, ETH_HLEN - l2, 0))
			return TC_ACT_SHOT; /* no memory */
		l2 = ETH_HLEN;
	}
	ethernet = (void *)(long)skb->data;
	ip = l2 ? (void *)(ethernet + 1) : (void *)ethernet;
	udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;
	if (l2)
		ethernet->h_proto = bpf_htons(ETH_P_IP);
	*ip = made;
	udp->source = peer->local_port;
	udp->dest = peer->port;
	udp->len = bpf_htons(length + sizeof(*udp));
	/* C-29. A missing checksum also shows the peer that a program like this one sent it, so this host unwraps: adr/0013. */
	udp->check = datagram ? datagram_checksum(&made, &inner, peer->local_port, peer->port, datagram) : 0;
	/* The socket's datagrams have no mark for routes and queues of the uplink to see; so this one must have none. */
	skb->mark = 0;
	if (way & TRIAL)
		begin_trial(skb, l2 + WRAPPING, &inner, now >> UNIT_SHIFT);

	if (way & NO_TRAFFIC) {
		count(COUNT_carriedNothing, packets);
	} else {
		peer->last_tx = now >> UNIT_SHIFT;
		__sync_fetch_and_add(&peer->tx_packets, packets);
		__sync_fetch_and_add(&peer->tx_bytes, length);
		report(peer, &inner.daddr, now, c->reporting);
		if (c->role == ROLE_RELAY)
			tally(&inner.saddr, length, false);
		count(COUNT_carriedOut, packets);
		count(COUNT_carriedOutBytes, length);
	}
	return leave(uplink, peer->address);
}

struct echo {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__u32 identifier;
	struct proof_data data;
};

/* Whether a reply answers the proof that is under way with this peer. */
static __always_inline bool is_proof(const struct in6_addr *from, const struct echo *reply)
{
	struct proof *proof = bpf_map_lookup_elem(&proofs, from);
	__u8 difference = 0;

	if (!proof || (reply->data.way != WAY_CHECKED && reply->data.way != WAY_BARE))
		return false;
#pragma unroll
	for (int i = 0; i < (int)sizeof(proof->nonce); i++)
		difference |= proof->nonce[i] ^ reply->data.nonce[i];
	if (difference)
		return false;
	proof->answered |= 1 << reply->data.way;
	return true;
}

/*
 * The kind of an ICMPv6 message of TEST_REPLY_LENGTH from a peer: COUNT_inProof (it has been handled), COUNT_inProofRequest,
 * COUNT_inTestReply, or NO_COUNTER. A reply from an unseen peer proves nothing: rules of the host may keep it from the socket.
 */
static __noinline __u32 kind_of_echo(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner, struct peer *peer, __u64 now)
{
	struct echo reply;

	if (bpf_skb_load_bytes(skb, at + sizeof(*inner), &reply, sizeof(reply)))
		return NO_COUNTER;
	if (reply.type == ICMPV6_ECHO_REQUEST)
		return COUNT_inProofRequest;
	if (reply.type != ICMPV6_ECHO_REPLY)
		return NO_COUNTER;
	if (is_unseen(peer, now))
		return COUNT_inUnseen;
	if (!is_proof(&inner->saddr, &reply))
		return COUNT_inTestReply;
	peer->last_rx = now >> UNIT_SHIFT;
	notify(NOTICE_ANSWERED, &inner->saddr, &inner->daddr);
	return COUNT_inProof;
}

/* A router advertisement is left to the machine, which trusts only its server's. */
static __noinline bool is_advertisement(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
{
	__u8 type;

	return !bpf_skb_load_bytes(skb, at + sizeof(*inner), &type, sizeof(type)) && type == ICMPV6_ROUTER_ADVERTISEMENT;
}

/*
 * One of UNWRAP, set before the programs are loaded; the verifier then removes the other branch. In a section of its own, so that it can be
 * set alone.
 */
const volatile __u32 unwrapping SEC(".rodata.unwrapping") = UNWRAP_BY_ONE_CALL;

/*
 * Removes the IPv4 and UDP headers, and `more` octets after them. Result: 0; a negative error, with the packet unchanged; or 1: no memory, and the packet is damaged.
 * Before 6.3 no helper removes IPv4 from an IPv6 packet. There, the datagram is first turned into IPv6, which puts 20 octets in front of it
 * (the difference of the headers). Then everything in front of the inner packet is removed as part of an IPv6 header.
 */
static __always_inline long take_wrapping_off(struct __sk_buff *skb, __s32 more)
{
	const __s32 added = sizeof(struct ipv6hdr) - sizeof(struct iphdr), wrapping = WRAPPING + more;
	long error;

	if (unwrapping == UNWRAP_BY_ONE_CALL)
		return bpf_skb_adjust_room(skb, -wrapping, BPF_ADJ_ROOM_MAC,
					   BPF_F_ADJ_ROOM_FIXED_GSO | ADJ_ROOM_DECAP_L3_IPV6);
	error = bpf_skb_change_proto(skb, bpf_htons(ETH_P_IPV6), 0);
	if (error)
		return error;
	error = bpf_skb_adjust_room(skb, -(added + wrapping), BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
	if (!error)
		return 0;
	/* The reverse step removes exactly those 20 octets. */
	return error == -NO_MEMORY || bpf_skb_change_proto(skb, bpf_htons(ETH_P_IP), 0) ? 1 : error;
}

/*
 * The same for a datagram behind an Ethernet header whose UDP checksum is still to be made. The kernel's mark for that would stay, and lead to
 * octets in front of the packet: an interface that makes checksums would overwrite them. The kernel removes the mark if what is removed goes
 * beyond the beginning of UDP by more than the Ethernet header that is moved there. So the first octets of the packet are removed, too, and put
 * back. It removes none of a packet with less than these after its header: that has no checksum of TCP or UDP.
 */
#define PUT_BACK 8

static __always_inline long take_marked_wrapping_off(struct __sk_buff *skb, const struct ipv6hdr *inner)
{
	long error = take_wrapping_off(skb, PUT_BACK);

	if (error)
		return error;
	return bpf_skb_adjust_room(skb, PUT_BACK, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) ||
	       bpf_skb_store_bytes(skb, ETH_HLEN, inner, PUT_BACK, 0);
}

#define UNWRAPPED_IT 0x100

/*
 * Unwraps the datagram behind so many octets: UNWRAPPED_IT, or the verdict on it. `place`: those octets, after 8 bits the outer TOS, and after
 * 16 RIGHT or TO_BE_MADE.
 */
static __noinline int unwrap(struct __sk_buff *skb, const struct ipv6hdr *inner, __u32 place, struct peer *peer, __u64 now)
{
	__u32 zero = 0, length = packet_length(inner), packets = packets_of(skb, length);
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	__u8 second = ((const __u8 *)inner)[1];
	__s64 ecn = combine_ecn((second >> 4) & 3, place >> 8 & 3);
	bool is_marked;
	long error;

	if (!c)
		return GO_ON;
	if (ecn < 0) {
		peer->last_rx = now >> UNIT_SHIFT; /* dropped, but a sign of life */
		count(COUNT_inEcnDropped, packets);
		return TC_ACT_SHOT;
	}
	is_marked = place >> 16 == TO_BE_MADE && (place & 0xff) && length >= sizeof(*inner) + PUT_BACK;
	error = is_marked ? take_marked_wrapping_off(skb, inner) : take_wrapping_off(skb, 0);
	if (error < 0)
		return go_on(COUNT_inRefused);
	if (error)
		return TC_ACT_SHOT;
	if (ecn != ((second >> 4) & 3)) {
		second = (second & 0xcf) | ecn << 4;
		if (bpf_skb_store_bytes(skb, (place & 0xff) + 1, &second, 1, BPF_F_RECOMPUTE_CSUM))
			return TC_ACT_SHOT; /* no memory */
	}
	note_received(c, peer, inner, packets, length, now);
	return UNWRAPPED_IT;
}

/* Hands an unwrapped packet to the tunnel, or to the pair. */
static __noinline int hand_over(struct __sk_buff *skb, __u32 l2, const struct ipv6hdr *inner, struct peer *peer, __u64 now)
{
	__u32 zero = 0, queue;
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct uplink *uplink = ENTRY(&uplinks, peer->route & ROUTE_UPLINK);

	if (!c)
		return TC_ACT_SHOT;
	queue = uplink && uplink->pair && inner->nexthdr == IPPROTO_TCP ? pair_queue_for(skb, l2, inner, uplink, now >> UNIT_SHIFT) : 0;
	if (!queue)
		return bpf_redirect(c->tunnel, BPF_F_INGRESS);
	if (queue == PAIR_IS_FULL)
		return TC_ACT_SHOT;
	return send_to_pair(skb, l2, c, uplink->pair, queue);
}

/* Carries a datagram behind so many octets, or leaves it. */
static __always_inline int carry_in(struct __sk_buff *skb, const __u32 l2)
{
	const __u32 l3 = l2 + WRAPPING;
	__u32 zero = 0, left, sums;
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct ipv6hdr inner;
	struct outer outer;
	struct peer *peer;
	__u64 now;

	if (!c)
		return GO_ON;
	/* A driver may hide a tag. One that has a priority only is no other network. */
	if (l2 && skb->protocol == bpf_htons(ETH_P_IPV6) && !(skb->vlan_present && skb->vlan_tci & VLAN_ID))
		return land(skb, c);
	if (c->role == ROLE_NONE || skb->protocol != bpf_htons(ETH_P_IP) || skb->vlan_present || skb->pkt_type != PACKET_HOST)
		return GO_ON;
	if (!LOAD(skb, l2, &outer) || !is_to_own_port(&outer))
		return GO_ON;
	if (is_fragment(&outer))
		return go_on(COUNT_inExtension);
	if (!LOAD(skb, l3, &inner) || !is_one_packet(&outer, &inner, skb->len - l2))
		return go_on(COUNT_inOtherLength);
	peer = bpf_map_lookup_elem(&peers, &inner.saddr);
	if (!peer)
		return go_on(COUNT_inNoPeer);
	if (!is_from(peer, &outer, skb->ifindex))
		return go_on(COUNT_inElsewhere);
	sums = state_of_sums(skb, l2, &outer, &inner);
	if (sums == WRONG)
		return go_on(COUNT_inUnsummed);
	now = bpf_ktime_get_coarse_ns();
	left = reason_to_leave(c, &inner, peer, now);
	if (left != NO_COUNTER)
		return go_on(left);
	note_origin(peer, !outer.udp.check);
	if (inner.nexthdr == NEXT_ICMPV6 && c->role == ROLE_CLIENT && is_advertisement(skb, l3, &inner))
		return go_on(COUNT_inAdvertisement); /* CL-20 */
	if (inner.nexthdr == NEXT_ICMPV6 && packet_length(&inner) == sizeof(inner) + TEST_REPLY_LENGTH) {
		left = kind_of_echo(skb, l3, &inner, peer, now);
		if (left == COUNT_inProof) {
			count(COUNT_inProof, 1);
			return TC_ACT_SHOT;
		}
		if (left == COUNT_inProofRequest || left == COUNT_inUnseen ||
		    (left == COUNT_inTestReply && c->role == ROLE_CLIENT)) /* CL-46 */
			return go_on(left);
	}
	left = share_of_socket(skb, l3, &inner, peer, now);
	if (left != COUNT_inUnseen && way_to(peer) == WAY_TRIED && inner.nexthdr == IPPROTO_TCP &&
	    is_acknowledgement(skb, l3, &inner))
		notify(NOTICE_ANSWERED, &inner.saddr, &inner.daddr);
	if (left != NO_COUNTER)
		return go_on(left);
	left = unwrap(skb, &inner, l2 | outer.ip.tos << 8 | sums << 16, peer, now);
	return left == UNWRAPPED_IT ? hand_over(skb, l2, &inner, peer, now) : (int)left;
}

SEC("tc")
int decap(struct __sk_buff *skb)
{
	return carry_in(skb, ETH_HLEN);
}

SEC("tc")
int decap_bare(struct __sk_buff *skb)
{
	return carry_in(skb, 0);
}

/*
 * Sends the packet in its buffer into the tunnel, as the host would; `encap` recognises it by its mark. User space runs it without
 * attaching it, so it needs neither routes nor a socket's permissions. The frame holds the way. Result: 0, or an error.
 */
SEC("tc")
int inject(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	__u8 way;

	if (!c || !c->mark || bpf_skb_load_bytes(skb, INJECTED_WAY, &way, sizeof(way)))
		return -1;
	skb->mark = c->mark | (way & WAY_MASK);
	return bpf_clone_redirect(skb, c->tunnel, 0);
}

#define WAY_TRIES 8

/* Sets both at once, although `decap` may note something of the peer in the same moment. */
static __always_inline bool set_way(struct peer *peer, __u8 way, __u8 failures)
{
	__u64 *word = (__u64 *)&peer->address, before, after;
	__u64 changed = (__u64)way << (ROUTE_SHIFT + ROUTE_WAY_SHIFT) | (__u64)failures << (HISTORY_SHIFT + HISTORY_FAILURES_SHIFT);
	__u64 kept = ~(0xf0ULL << ROUTE_SHIFT | 0xf0ULL << HISTORY_SHIFT);

#pragma unroll
	for (int i = 0; i < WAY_TRIES; i++) {
		before = *(volatile __u64 *)word;
		after = (before & kept) | changed;
		if (__sync_val_compare_and_swap(word, before, after) == before)
			return true;
	}
	return false;
}

/* Changes a peer's entry in place. User space runs it, without attaching it, on a frame that holds an amendment. Result: 0, or an error. */
SEC("tc")
int amend(struct __sk_buff *skb)
{
	struct amendment amendment;
	struct peer *peer;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &amendment, sizeof(amendment)))
		return -1;
	peer = bpf_map_lookup_elem(&peers, &amendment.peer);
	if (!peer)
		return -1;
	note_heard(peer, amendment.last_rx, bpf_ktime_get_ns());
	if (amendment.changes & AMEND_SEEN)
		peer->socket_heard = amendment.socket_heard;
	if (amendment.changes & AMEND_WAY) {
		if (!set_way(peer, amendment.way, amendment.failures))
			return -1;
		peer->last_notice = amendment.last_notice;
	}
	return 0;
}

/* User space runs it, without attaching it, on a frame that holds offers to its end, and reads their results there. */
SEC("tc")
int offer(struct __sk_buff *skb)
{
	__u64 now = bpf_ktime_get_ns();

	/* Without CAP_PERFMON the verifier also follows branches that only a mistaken processor takes: a loop would have no end. */
#pragma unroll
	for (__u32 i = 0; i < MOST_OFFERS; i++)
		if (!follow_offer_at(skb, ETH_HLEN + i * sizeof(struct offer), now))
			break;
	return 0;
}

/*
 * Whether this kernel can unwrap with the chosen helpers: 0, or the error. User space runs it, without attaching it, on a sample. A sample
 * that claims to be several packets has no protocol, and the last helper refuses it; before 5.14 an earlier one does, which changes the
 * sizes of such packets and accepts one protocol only.
 */
SEC("tc")
int probe(struct __sk_buff *skb)
{
	if (unwrapping == UNWRAP_BY_TWO_CALLS && skb->gso_size)
		return bpf_skb_change_proto(skb, bpf_htons(ETH_P_IPV6), 0);
	return take_wrapping_off(skb, 0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
