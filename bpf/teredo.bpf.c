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

/* errno.h is not for programs. */
#define NO_MEMORY 12

/* AF_INET, whose header is not for programs. */
#define ADDRESSES_OF_IPV4 2

#define NEXT_ROUTING 43
#define NEXT_AUTHENTICATION 51
#define NEXT_DESTINATION_OPTIONS 60
#define NEXT_MOBILITY 135
#define NEXT_HOST_IDENTITY 139
#define NEXT_SHIM6 140
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129
#define ICMPV6_ROUTER_ADVERTISEMENT 134
/* Of an answer to our connectivity test, and to a proof: the echo's 8 octets and a nonce of 8. */
#define TEST_REPLY_LENGTH 16

#define TCP_LENGTH 12
#define TCP_ENDS 0x05 /* FIN, RST */

#define NO_COUNTER 0xffffffff

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
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct in6_addr);
	__type(value, struct proof);
} proofs SEC(".maps");

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
	struct served_key key;
	__u32 first = bpf_ntohl(address->in6_u.u6_addr32[0]);

	if (first == 0x20010000 || first >> 24 == 0xff || first >> 22 == 0x3fa)
		return false;
	if (!first && !address->in6_u.u6_addr32[1] && !address->in6_u.u6_addr32[2] &&
	    bpf_ntohl(address->in6_u.u6_addr32[3]) <= 1)
		return false;
	__builtin_memcpy(key.prefix, address, sizeof(key.prefix));
	IN_ORDER();
	key.length = 128;
	return bpf_map_lookup_elem(&served, &key);
}

static __always_inline bool is_own(const struct config *c, const struct in6_addr *address)
{
	const __u64 *own = (const __u64 *)c->own, *it = (const __u64 *)address;

	if (c->role == ROLE_CLIENT)
		return own[0] == it[0] && own[1] == it[1];
	return c->role == ROLE_RELAY && is_served(address);
}

/* Where a time is in the 64 bits of peer.last_notice and peer.last_report. */
#define NOTICE_SHIFT 0
#define REPORT_SHIFT 32
#define HALF 0xffffffffULL

/* How long ago a time was; it may lie ahead. One that lies far ahead was half the range of these numbers ago, or more. */
static __always_inline __s32 age_of(__u32 units, __u32 since)
{
	__s32 age = units - since;

	return age < -FAR_UNITS ? 0x7fffffff : age;
}

/* Whether so much time has passed. */
static __always_inline bool has_passed(__u32 units, __u32 since, __s32 span)
{
	return age_of(units, since) >= span;
}

/*
 * Whether SPACING_UNITS have passed since that time, and no other processor has found so: then it is now. A change of the other time in the same
 * moment counts as another processor: the next packet tries again.
 */
static __always_inline bool take_turn(struct peer *peer, __u32 shift, __u64 now)
{
	__u64 *turns = (__u64 *)&peer->last_notice, before = *turns;
	__u64 units = now >> UNIT_SHIFT & HALF;

	if (!has_passed(units, before >> shift, SPACING_UNITS))
		return false;
	return __sync_val_compare_and_swap(turns, before, (before & ~(HALF << shift)) | units << shift) == before;
}

/* Tells user space at once. */
static __always_inline void notify(__u32 kind, const struct in6_addr *peer, const struct in6_addr *source)
{
	struct notice *notice = bpf_ringbuf_reserve(&reports, sizeof(*notice), 0);

	if (!notice) {
		count(COUNT_reportsLate, 1);
		return;
	}
	__builtin_memcpy(notice->peer, peer, sizeof(notice->peer));
	__builtin_memcpy(notice->source, source, sizeof(notice->source));
	notice->kind = kind;
	bpf_ringbuf_submit(notice, BPF_RB_FORCE_WAKEUP);
}

/* Tells user space how far the peer's traffic has come, at most once a second. */
static __always_inline void report(struct peer *peer, const struct in6_addr *address, __u64 now)
{
	struct report *report;
	__u64 packets;

	if (!has_passed(now >> UNIT_SHIFT, peer->last_report, SPACING_UNITS))
		return;
	report = bpf_ringbuf_reserve(&reports, sizeof(*report), 0);
	if (!report) {
		count(COUNT_reportsLate, 1);
		return;
	}
	if (!take_turn(peer, REPORT_SHIFT, now)) {
		bpf_ringbuf_discard(report, BPF_RB_NO_WAKEUP);
		return;
	}
	__builtin_memcpy(report->peer, address, sizeof(report->peer));
	report->last_rx = peer->last_rx;
	report->last_tx = peer->last_tx;
	report->rx_bytes = __sync_lock_test_and_set(&peer->rx_bytes, 0);
	report->tx_bytes = __sync_lock_test_and_set(&peer->tx_bytes, 0);
	packets = __sync_lock_test_and_set((__u64 *)&peer->rx_packets, 0);
	report->rx_packets = packets;
	report->tx_packets = packets >> 32;
	bpf_ringbuf_submit(report, BPF_RB_NO_WAKEUP);
}

static __always_inline __u32 way_to(const struct peer *peer)
{
	return peer->route >> ROUTE_WAY_SHIFT;
}

/* Whether it is an extension header, behind which a routing header may be: the machine looks for that. C-31; src/wire/extension-headers.ts */
static __always_inline bool is_extension(__u8 header)
{
	switch (header) {
	case NEXT_HOP_BY_HOP:
	case NEXT_ROUTING:
	case NEXT_FRAGMENT:
	case NEXT_AUTHENTICATION:
	case NEXT_DESTINATION_OPTIONS:
	case NEXT_MOBILITY:
	case NEXT_HOST_IDENTITY:
	case NEXT_SHIM6:
		return true;
	default:
		return false;
	}
}

struct fragment {
	__u8 next;
	__u8 reserved;
	__be16 offset;
};

/* Whether the machine has to look at a packet of the host for its extension headers. Not at a fragment that can have no more of them. */
static __noinline bool is_extended(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
{
	struct fragment fragment;

	if (inner->nexthdr != NEXT_FRAGMENT)
		return is_extension(inner->nexthdr);
	if (bpf_skb_load_bytes(skb, at + sizeof(*inner), &fragment, sizeof(fragment)))
		return true;
	return !(fragment.offset & bpf_htons(0xfff8)) && is_extension(fragment.next);
}

/* Whether a packet does no harm when it arrives behind those that were sent after it. */
static __always_inline bool is_patient(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
{
	__u8 lengths;

	if (skb->gso_size)
		return false;
	if (inner->nexthdr != IPPROTO_TCP)
		return true;
	if (bpf_skb_load_bytes(skb, at + sizeof(*inner) + TCP_LENGTH, &lengths, sizeof(lengths)))
		return false;
	return bpf_ntohs(inner->payload_len) == (lengths >> 4) * 4;
}

/*
 * Whether a packet has data of a TCP connection, or ends one: these must not overtake each other, whether several are one or not. Or much data in
 * UDP: a socket sends many of these at once.
 */
static __always_inline bool is_bulk(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
{
	struct {
		__u8 lengths;
		__u8 flags;
	} tcp;

	if (inner->nexthdr == IPPROTO_UDP)
		return skb->gso_size || bpf_ntohs(inner->payload_len) > BULK_UDP;
	if (inner->nexthdr != IPPROTO_TCP)
		return false;
	if (skb->gso_size || bpf_skb_load_bytes(skb, at + sizeof(*inner) + TCP_LENGTH, &tcp, sizeof(tcp)))
		return true;
	return bpf_ntohs(inner->payload_len) != (tcp.lengths >> 4) * 4 || tcp.flags & TCP_ENDS;
}

/* A time of samples, where there are many peers. */
static __always_inline __s32 stretched(__s32 units, __u32 stretch, __s32 most)
{
	__s32 longer = units * (__s32)stretch;

	return longer < most ? longer : most;
}

/* Whether this packet, of those that the host sends, takes the socket's path to the peer. */
static __always_inline bool is_sample_out(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner, struct peer *peer,
					  __u64 now, __u32 stretch)
{
	__u16 units = now >> LONG_UNIT_SHIFT;
	__u16 age = units - peer->last_sample_out + 1; /* the coarse clock may be behind */

	if (age <= LONG_UNITS(stretched(SAMPLE_UNITS, stretch, SAMPLE_MOST_UNITS)))
		return false;
	if (age <= LONG_UNITS(stretched(SAMPLE_ANY_UNITS, stretch, SAMPLE_ANY_MOST_UNITS)) && !is_patient(skb, at, inner))
		return false;
	peer->last_sample_out = units;
	return true;
}

/* Whether the socket has not received the samples of a peer: then what the peer sends is a sign of life only for the socket. */
static __noinline bool is_unseen(const struct peer *peer, __u64 now)
{
	__u32 zero = 0;
	struct config *c = bpf_map_lookup_elem(&config, &zero);

	return c && peer && has_passed(now >> UNIT_SHIFT, peer->socket_heard, stretched(UNSEEN_UNITS, c->stretch, UNSEEN_MOST_UNITS));
}

/*
 * Why a datagram from the peer goes to the socket: it is a sample, or no sample has been received there (a counter); NO_COUNTER: it does not.
 * A run of UDP packets is no sample: the socket could not take it apart. A function of its own, for the registers that it takes.
 */
static __noinline __u32 share_of_socket(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner, struct peer *peer, __u64 now)
{
	__s32 unseen = age_of(now >> UNIT_SHIFT, peer->socket_heard), stretch;
	__u16 units = now >> LONG_UNIT_SHIFT;
	struct config *c;
	__u32 zero = 0;

	if (unseen < SAMPLE_UNITS)
		return NO_COUNTER;
	c = bpf_map_lookup_elem(&config, &zero);
	if (!c)
		return NO_COUNTER;
	stretch = c->stretch;
	if (unseen >= stretched(UNSEEN_UNITS, stretch, UNSEEN_MOST_UNITS))
		return COUNT_inUnseen;
	if (unseen < stretched(SAMPLE_UNITS, stretch, SAMPLE_MOST_UNITS) || (skb->gso_size && inner->nexthdr == IPPROTO_UDP))
		return NO_COUNTER;
	if (unseen < stretched(SAMPLE_ANY_UNITS, stretch, SAMPLE_ANY_MOST_UNITS) && !is_patient(skb, at, inner))
		return NO_COUNTER;
	if ((__u16)(units - peer->last_sample_in) < LONG_UNITS(SPACING_UNITS))
		return NO_COUNTER;
	peer->last_sample_in = units;
	return COUNT_inSample;
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
 * Whether a TCP or UDP packet has its checksum: 1, 0, or -1 where there is no such packet. Where the sum is still to be made, the field holds
 * that of the pseudo-header.
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
 * Whether the packet is one, with its checksum. The kernel leaves both cutting and summing to the interface, and virtual ones
 * leave it to the receiver. A socket there would be handed 64 KB as one datagram, and packets that the host behind it drops for
 * their checksum: only a program like this one can do with them, and only it sends datagrams without a checksum.
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
		return inner->nexthdr == NEXT_ICMPV6 || inner->nexthdr == NEXT_NONE; /* the first the kernel sums itself */
	}
}

/*
 * The length of the UDP datagram that a packet, or each of those that it stands for, becomes; 0 where the checksum of that does not
 * follow from the headers. It does where a checksum covers the whole payload, be it finished or still to be made: the two sums
 * make 0 together. Of several as one only a whole number will do: they all get the same checksum.
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

/* What a datagram is wrapped in. */
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
	return fold((sum & 0xffff) + (sum >> 16)); /* of 18 bits at the most */
}

/* What bpf_csum_diff() takes at a time on kernels before 6.12, and so many times at the most: more than any one datagram on a usual wire. */
#define SUM_BLOCK 512
#define SUM_BLOCKS 3

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8[(SUM_BLOCKS + 1) * SUM_BLOCK]);
} scratch SEC(".maps");

/*
 * The sum of the `length` octets at `at`, on top of `sum`; 0 where they are too many. From a copy: a loop over the packet itself takes the verifier
 * half a minute where the user has no CAP_PERFMON.
 */
static __noinline __u64 sum_octets(struct __sk_buff *skb, __u32 at, __u64 length, __u64 sum)
{
	__u32 zero = 0;
	__u8 *copy = bpf_map_lookup_elem(&scratch, &zero);

	if (!copy || length > SUM_BLOCKS * SUM_BLOCK)
		return 0;
	/* Two comparisons, each with an order: the verifier of kernel 6.1 learns no limits from others. */
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
 * Whether the socket would take a datagram for its checksums. That of UDP may be missing, right, or still to be made, over virtual links: the field
 * then holds the sum of the pseudo-header, or that of a packet within does, for whose sum the one outside is made. Of several datagrams as one it has
 * been looked at before.
 */
static __always_inline bool is_summed(struct __sk_buff *skb, const struct outer *outer, const struct ipv6hdr *inner)
{
	__u32 length = bpf_ntohs(outer->udp.len);

	if (header_checksum(&outer->ip))
		return false;
	if (!outer->udp.check || skb->gso_size)
		return true;
	if (outer->udp.check == fold(pseudo_sum(&outer->ip, length)) && is_unfinished(skb, outer->udp.check))
		return true;
	if (bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY) >= 0)
		return true; /* the interface has found it right */
	if (fold_long(sum_octets(skb, ETH_HLEN + sizeof(struct iphdr), length, pseudo_sum(&outer->ip, length))) == 0xffff)
		return true;
	return !sum_state(skb, ETH_HLEN + WRAPPING, inner) && is_unfinished(skb, outer->udp.check);
}

struct tcp {
	__u32 ports;
	__u32 sequence;
	__u32 acknowledged;
	__u8 lengths;
	__u8 flags;
	__u16 window;
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_ACK 0x10

/* A segment of TCP that has octets of its own. */
struct segment {
	__u32 ports;
	__u32 begin;
	__u32 end; /* both in the machine's order */
	bool is_syn;
};

/* False where a packet is none. */
static __noinline bool read_segment(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner, struct segment *segment)
{
	__u32 header, length = bpf_ntohs(inner->payload_len);
	struct tcp tcp;

	if (inner->nexthdr != IPPROTO_TCP || bpf_skb_load_bytes(skb, at + sizeof(*inner), &tcp, sizeof(tcp)))
		return false;
	header = (tcp.lengths >> 4) * 4;
	if (length < header)
		return false;
	length -= header;
	if (tcp.flags & (TCP_SYN | TCP_FIN))
		length++;
	segment->ports = tcp.ports;
	segment->begin = bpf_ntohl(tcp.sequence);
	segment->end = segment->begin + length;
	segment->is_syn = tcp.flags & TCP_SYN;
	return length > 0;
}

static __always_inline bool is_connection(const struct proof *proof, const struct in6_addr *host, __u32 ports)
{
	const __u64 *one = (const void *)proof->host, *other = (const void *)host;

	return proof->ports == ports && one[0] == other[0] && one[1] == other[1];
}

/*
 * Whether a packet to a peer, whose way is `way`, is the segment that is to be tried. Only a new one is: what has been sent before may be acknowledged for
 * that. So a SYN is none: it may have been sent before the proof began. Once an octet of the tried segment is sent again, by the process,
 * an acknowledgement shows nothing.
 */
static __noinline bool is_trial(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner, __u32 way, __u32 units)
{
	struct proof *proof = bpf_map_lookup_elem(&proofs, &inner->daddr);
	struct segment segment = {};
	bool is_same, is_new;
	__s32 age;

	if (!proof || !read_segment(skb, at, inner, &segment))
		return false;
	is_same = proof->segment != SEGMENT_WANTED && is_connection(proof, &inner->saddr, segment.ports);
	age = units - proof->at;
	if (proof->segment == SEGMENT_SENT && age >= TRIAL_UNITS)
		proof->segment = SEGMENT_SEEN;
	if (!is_same) {
		if (proof->segment == SEGMENT_SENT || (proof->segment == SEGMENT_SEEN && age < QUIET_UNITS))
			return false;
		__builtin_memcpy(proof->host, &inner->saddr, sizeof(proof->host));
		proof->ports = segment.ports;
		proof->seen = segment.end;
		proof->at = units;
		proof->segment = SEGMENT_SEEN;
		return false;
	}
	is_new = !segment.is_syn && (__s32)(segment.begin - proof->seen) >= 0;
	/* Even if something leaves it to the process yet: then it is no longer new. A SYN is of a new connection with the same ports. */
	if (segment.is_syn || (__s32)(segment.end - proof->seen) > 0)
		proof->seen = segment.end;
	if (proof->segment == SEGMENT_SENT) {
		if ((__s32)(segment.begin - proof->end) < 0 && (__s32)(segment.end - proof->begin) > 0)
			proof->segment = SEGMENT_SEEN;
		return false;
	}
	proof->at = units;
	return way == WAY_TRIED && is_new && proof->trials < TRIALS && (!skb->gso_size || proof->bulks++ >= BULKS);
}

/* The segment that is to be tried has been wrapped: from now on its acknowledgement is a proof. */
static __noinline void begin_trial(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner, __u32 units)
{
	struct proof *proof = bpf_map_lookup_elem(&proofs, &inner->daddr);
	struct segment segment = {};

	if (!proof || proof->segment != SEGMENT_SEEN || !read_segment(skb, at, inner, &segment) ||
	    !is_connection(proof, &inner->saddr, segment.ports))
		return;
	proof->begin = segment.begin;
	proof->end = segment.end;
	proof->at = units;
	proof->trials++;
	proof->segment = SEGMENT_SENT;
}

/* What cannot go by this path, and may repeat the segment that was tried, was not looked at: an acknowledgement would show nothing. */
static __noinline void spoil_trial(const struct ipv6hdr *inner)
{
	struct proof *proof = bpf_map_lookup_elem(&proofs, &inner->daddr);

	if (proof && proof->segment == SEGMENT_SENT)
		proof->segment = SEGMENT_WANTED;
}

/* Whether a packet from a peer acknowledges the segment that was tried. */
static __noinline bool is_acknowledgement(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
{
	struct proof *proof = bpf_map_lookup_elem(&proofs, &inner->saddr);
	__u32 acknowledged;
	struct tcp tcp;

	if (!proof || proof->segment != SEGMENT_SENT || bpf_skb_load_bytes(skb, at + sizeof(*inner), &tcp, sizeof(tcp)))
		return false;
	acknowledged = bpf_ntohl(tcp.acknowledged);
	if (!is_connection(proof, &inner->daddr, tcp.ports << 16 | tcp.ports >> 16) || !(tcp.flags & TCP_ACK) ||
	    (__s32)(acknowledged - proof->end) < 0 || (__s32)(acknowledged - proof->seen) > 0)
		return false;
	proof->segment = SEGMENT_WANTED;
	proof->answered |= 1 << WAY_CHECKED;
	return true;
}

/* Who knows the next hop need not look for a route for each packet. */
static __always_inline int leave(const struct uplink *uplink, __u32 destination)
{
	struct bpf_redir_neigh next = {};

	if (uplink->gateway == GATEWAY_BY_ROUTE)
		return bpf_redirect_neigh(uplink->ifindex, NULL, 0, 0);
	IN_ORDER();
	next.ipv4_nh = uplink->gateway ?: destination;
	IN_ORDER();
	next.nh_family = ADDRESSES_OF_IPV4;
	return bpf_redirect_neigh(uplink->ifindex, &next, sizeof(next), 0);
}

/* Whether a packet is an echo request of a proof, which `inject` has sent. */
static __always_inline bool is_request(const struct __sk_buff *skb, const struct config *c)
{
	return c->mark && (skb->mark & ~WAY_MASK) == c->mark;
}

/* Leaves a packet of the host to user space; an echo request of a proof not: it would be answered, and prove nothing of this path. */
static __noinline int leave_out(struct __sk_buff *skb, __u32 counter)
{
	__u32 zero = 0;
	struct config *c = bpf_map_lookup_elem(&config, &zero);

	count(counter, 1);
	return c && is_request(skb, c) ? TC_ACT_SHOT : GO_ON;
}

/* What `way_of_packet` says besides the WAY: it is no traffic; it is tried; it is left to user space, for what a counter says. */
#define NO_TRAFFIC 0x10
#define TRIAL 0x20
#define LEFT 0x100

/* Which way a packet to a peer goes now. A function of its own, for the registers that it takes. */
static __noinline __u32 way_of_packet(struct __sk_buff *skb, __u32 l2, const struct ipv6hdr *inner, struct peer *peer, __u64 now)
{
	__u32 zero = 0, way = way_to(peer);
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	__s64 silence = now - peer->last_rx; /* what user space has heard may be ahead of the coarse clock */

	if (silence >= (__s64)VALIDITY_NS)
		return LEFT | COUNT_outNotHeard; /* CL-60, R-26 */
	if (!c)
		return LEFT | COUNT_outUnproven;
	if (is_request(skb, c))
		return NO_TRAFFIC | (skb->mark & WAY_MASK);
	if (way == WAY_INWARD || way == WAY_TRIED) {
		if (is_trial(skb, l2, inner, way, now >> UNIT_SHIFT))
			return TRIAL | WAY_CHECKED;
		if (take_turn(peer, NOTICE_SHIFT, now))
			notify(NOTICE_WANTED, &inner->daddr, &inner->saddr);
		return LEFT | COUNT_outUnproven;
	}
	if (has_passed(now >> UNIT_SHIFT, peer->last_notice, c->renewal)) {
		peer->last_notice = now >> UNIT_SHIFT;
		notify(NOTICE_WANTED, &inner->daddr, &inner->saddr);
	}
	if (inner->nexthdr == NEXT_NONE)
		return NO_TRAFFIC | way;
	if (silence >= (__s64)SILENCE_NS && peer->last_tx > peer->last_rx) {
		/* A peer that only receives is silent, too: the way stays, and is proven again. */
		if (take_turn(peer, NOTICE_SHIFT, now))
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
	__u32 zero = 0, uplink_at, l2, length, way, datagram = 0;
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
	/* C-17; what is longer than it says has to be cut, and of length 0 are the larger ones. */
	if (inner.version != 6 || length != sizeof(inner) + bpf_ntohs(inner.payload_len))
		return leave_out(skb, COUNT_outMalformed);
	peer = bpf_map_lookup_elem(&peers, &inner.daddr);
	if (!peer)
		return leave_out(skb, COUNT_outNoPeer);
	if (!is_own(c, &inner.saddr))
		return leave_out(skb, COUNT_outForeignSource); /* CL-70, R-30 */
	uplink_at = peer->route & ROUTE_UPLINK;
	uplink = bpf_map_lookup_elem(&uplinks, &uplink_at);
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
	/* Marks it as a UDP tunnel's: several packets as one stay so until somebody has to cut them. */
	if (bpf_skb_adjust_room(skb, WRAPPING, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_FIXED_GSO))
		return leave_out(skb, COUNT_outRefused);
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
	/* C-29. None tells the peer as well that a program like this one has sent it, which unwraps: adr/0013. */
	udp->check = datagram ? datagram_checksum(&made, &inner, c->port, peer->port, datagram) : 0;
	/* Neither routes nor queues of the uplink see a mark on what the socket sends. */
	skb->mark = 0;
	if (way & TRIAL)
		begin_trial(skb, ETH_HLEN + WRAPPING, &inner, now >> UNIT_SHIFT);

	if (way & NO_TRAFFIC) {
		count(COUNT_carriedNothing, packets);
	} else {
		peer->last_tx = now;
		__sync_fetch_and_add(&peer->tx_packets, packets);
		__sync_fetch_and_add(&peer->tx_bytes, length);
		report(peer, &inner.daddr, now);
		count(COUNT_carriedOut, packets);
		count(COUNT_carriedOutBytes, length);
	}
	return leave(uplink, peer->address);
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
 * What an ICMPv6 message of TEST_REPLY_LENGTH from a peer is: COUNT_inProof (and then it is dealt with), COUNT_inProofRequest,
 * COUNT_inTestReply, NO_COUNTER. The reply of an unseen peer proves nothing: rules of the host may keep it from the socket.
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
	peer->last_rx = now;
	notify(NOTICE_ANSWERED, &inner->saddr, &inner->daddr);
	return COUNT_inProof;
}

/* A router advertisement is the machine's business: it believes its server's alone. */
static __noinline bool is_advertisement(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
{
	__u8 type;

	return !bpf_skb_load_bytes(skb, at + sizeof(*inner), &type, sizeof(type)) && type == ICMPV6_ROUTER_ADVERTISEMENT;
}

/* One of UNWRAP, set before the programs are loaded: the verifier then takes the other way out. A section of its own, to be set by itself. */
const volatile __u32 unwrapping SEC(".rodata.unwrapping") = UNWRAP_BY_ONE_CALL;

/*
 * Takes the IPv4 and UDP headers off. 0; a negative error, with the packet as it was; or 1: no memory, and the packet is spoilt.
 * Before 6.3 no call takes IPv4 off an IPv6 packet. There the datagram is first made IPv6, which puts 20 octets in front of it (its
 * header is longer by so many), and then all in front of the packet inside is taken away as part of an IPv6 header.
 */
static __always_inline long take_wrapping_off(struct __sk_buff *skb)
{
	const __s32 added = sizeof(struct ipv6hdr) - sizeof(struct iphdr), all = added + WRAPPING;
	long error;

	if (unwrapping == UNWRAP_BY_ONE_CALL)
		return bpf_skb_adjust_room(skb, -(__s32)WRAPPING, BPF_ADJ_ROOM_MAC,
					   BPF_F_ADJ_ROOM_FIXED_GSO | ADJ_ROOM_DECAP_L3_IPV6);
	error = bpf_skb_change_proto(skb, bpf_htons(ETH_P_IPV6), 0);
	if (error)
		return error;
	error = bpf_skb_adjust_room(skb, -all, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
	if (!error)
		return 0;
	/* Back again takes those 20 octets away, and no others. */
	return error == -NO_MEMORY || bpf_skb_change_proto(skb, bpf_htons(ETH_P_IP), 0) ? 1 : error;
}

/* Takes the wrapping off, and hands the packet to the tunnel. */
static __noinline int unwrap(struct __sk_buff *skb, const struct ipv6hdr *inner, __u8 outer_tos, struct peer *peer, __u64 now)
{
	__u32 zero = 0, length = sizeof(*inner) + bpf_ntohs(inner->payload_len), packets = packets_of(skb, length);
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	__u8 second = ((const __u8 *)inner)[1];
	__s64 ecn = combine_ecn((second >> 4) & 3, outer_tos & 3);
	long error;

	if (!c)
		return GO_ON;
	if (ecn < 0) {
		peer->last_rx = now; /* dropped, but heard */
		count(COUNT_inEcnDropped, packets);
		return TC_ACT_SHOT;
	}
	error = take_wrapping_off(skb);
	if (error < 0)
		return go_on(COUNT_inRefused);
	if (error)
		return TC_ACT_SHOT;
	if (ecn != ((second >> 4) & 3)) {
		second = (second & 0xcf) | ecn << 4;
		if (bpf_skb_store_bytes(skb, ETH_HLEN + 1, &second, 1, BPF_F_RECOMPUTE_CSUM))
			return TC_ACT_SHOT; /* no memory */
	}
	peer->last_rx = now;
	__sync_fetch_and_add(&peer->rx_packets, packets);
	__sync_fetch_and_add(&peer->rx_bytes, length);
	report(peer, &inner->saddr, now);
	count(COUNT_carriedIn, packets);
	count(COUNT_carriedInBytes, length);
	return bpf_redirect(c->tunnel, BPF_F_INGRESS);
}

/* Where route and history are in the 64 bits that begin with peer.address. */
#define ROUTE_SHIFT 48
#define HISTORY_SHIFT 56

/* A datagram of the peer's has no checksum, or has one. Where `amend` changes the entry in the same moment the next datagram tries again. */
static __always_inline void note_origin(struct peer *peer, bool is_bare)
{
	__u64 *word = (__u64 *)&peer->address, before = *word;
	__u64 unwraps = before >> HISTORY_SHIFT & HISTORY_UNWRAPS, after = is_bare ? UNWRAPS_PATIENCE : unwraps ? unwraps - 1 : 0;

	if (after != unwraps)
		__sync_val_compare_and_swap(word, before, (before & ~((__u64)HISTORY_UNWRAPS << HISTORY_SHIFT)) | after << HISTORY_SHIFT);
}

SEC("tc")
int decap(struct __sk_buff *skb)
{
	const __u32 l2 = ETH_HLEN, l3 = ETH_HLEN + WRAPPING;
	__u32 zero = 0, uplink_at, length, left;
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct uplink *uplink;
	struct ipv6hdr inner;
	struct outer outer;
	struct peer *peer;
	__u64 now;

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
	if (!LOAD(skb, l3, &inner))
		return go_on(COUNT_inOtherLength);
	length = sizeof(inner) + bpf_ntohs(inner.payload_len);
	if (inner.version != 6 || bpf_ntohs(outer.udp.len) != length + sizeof(outer.udp) ||
	    bpf_ntohs(outer.ip.tot_len) != length + sizeof(outer) || skb->len != l2 + sizeof(outer) + length)
		return go_on(COUNT_inOtherLength);
	peer = bpf_map_lookup_elem(&peers, &inner.saddr);
	if (!peer)
		return go_on(COUNT_inNoPeer);
	uplink_at = peer->route & ROUTE_UPLINK;
	uplink = bpf_map_lookup_elem(&uplinks, &uplink_at);
	if (!uplink || uplink->source != outer.ip.daddr || peer->address != outer.ip.saddr ||
	    peer->port != outer.udp.source)
		return go_on(COUNT_inElsewhere); /* CL-45, R-21 */
	if (!is_summed(skb, &outer, &inner))
		return go_on(COUNT_inUnsummed);
	if (!is_own(c, &inner.daddr))
		return go_on(COUNT_inForeignDestination); /* CL-41, R-23 */
	if (inner.nexthdr == NEXT_NONE)
		return go_on(COUNT_inBubble);
	if (is_extension(inner.nexthdr))
		return go_on(COUNT_inExtension); /* C-31 */
	now = bpf_ktime_get_coarse_ns();
	if ((__s64)(now - peer->last_rx) >= (__s64)VALIDITY_NS)
		return go_on(COUNT_inNotHeard);
	note_origin(peer, !outer.udp.check);
	if (inner.nexthdr == NEXT_ICMPV6 && c->role == ROLE_CLIENT && is_advertisement(skb, l3, &inner))
		return go_on(COUNT_inAdvertisement); /* CL-20 */
	if (inner.nexthdr == NEXT_ICMPV6 && length == sizeof(inner) + TEST_REPLY_LENGTH) {
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
	return unwrap(skb, &inner, outer.ip.tos, peer, now);
}

/*
 * Sends the packet in the buffer that it is run on to the tunnel, as the host would: `encap` takes it by its mark. Run by user space, attached
 * to nothing; neither routes nor a socket's rights are needed for that. The frame says which way. 0, or an error.
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

/* Both at once, whatever `decap` notes of the peer meanwhile. */
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

/* Changes a peer's entry where it is. Run by user space on a frame that holds an amendment, attached to nothing. 0, or an error. */
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
	if (amendment.last_rx > peer->last_rx)
		peer->last_rx = amendment.last_rx;
	if (amendment.changes & AMEND_SEEN)
		peer->socket_heard = amendment.socket_heard;
	if (amendment.changes & AMEND_WAY) {
		if (!set_way(peer, amendment.way, amendment.failures))
			return -1;
		peer->last_notice = amendment.last_notice;
	}
	return 0;
}

/*
 * Whether this kernel can unwrap in the way that has been set: 0, or the error. Run on a sample, attached to nothing. A sample that
 * says it is several packets has no kind, and is refused by the last call; the one before changes the sizes of such packets, or
 * refuses all kinds but one, before 5.14.
 */
SEC("tc")
int probe(struct __sk_buff *skb)
{
	if (unwrapping == UNWRAP_BY_TWO_CALLS && skb->gso_size)
		return bpf_skb_change_proto(skb, bpf_htons(ETH_P_IPV6), 0);
	return take_wrapping_off(skb);
}

char _license[] SEC("license") = "Dual MIT/GPL";
