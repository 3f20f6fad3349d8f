/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The server's kernel path, at the ingress of the interface that has the server's addresses (serve), and in its driver (serve_in_driver):
 *
 *     a solicitation without secret keys    answered, by either
 *     a bubble to a Teredo client           forwarded, with the origin indication if it is a client of this server
 *
 * They handle the plainest form of each. All other datagrams (pings, keys, options, headers in front of a bubble, violations of a rule) go
 * to user space, where src/core/server has the complete rules. The limits are those of src/core/fair-budget.ts and token-buckets.ts;
 * datagrams beyond them are dropped here. Rows are those of docs/rfc-compliance.md.
 */
#include "common.h"
#include "server.h"
#include "server-limits.h"
#include "answer.h"
#include "counters.h"

#define TEREDO_PREFIX 0x20010000
#define MAX_TRAILERS 64 /* MAX_FORWARDED_TRAILER_BYTES */
/* The longest payload of a bubble with its trailers; a multiple of 4. */
#define MOST 104

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct server_config);
} config SEC(".maps");

/* Times are those of the coarse clock, in nanoseconds of CLOCK_MONOTONIC. */

/* The server is known to live until this time: filters at clsact outlive a killed process. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} alive_until SEC(".maps");

/* Verdicts on IPv4 addresses; the longest prefix decides, as in src/core/access-list.ts. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAX_ACCESS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct access_key);
	__type(value, __u8);
} access SEC(".maps");

/* When the first datagram after the latest sample was decided; 0: none was. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} decided_since SEC(".maps");

/* How many solicitations may be answered in a driver from now on; NO_LIMIT: any number. */
#define NO_LIMIT (~0ULL)
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} driver_answers SEC(".maps");

/* The outer headers of a datagram. */
struct outer {
	struct iphdr ip;
	struct udphdr udp;
};

/*
 * A datagram that is processed. It is not on the stack: the stack of a chain of functions has 512 octets, and the compiler would have to
 * use places twice, which the verifier refuses to users that may not see pointers (without CAP_PERFMON).
 */
struct datagram {
	__u8 received[MOST]; /* the payload of a bubble, with zeros after it */
	struct outer outer;
	struct ipv6hdr inner;
	__u16 origin[4];
	struct payment payment;
	__u64 length;     /* of `received` */
	__u32 unfinished; /* checksum_state() */
} __attribute__((aligned(8)));

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct datagram);
} datagrams SEC(".maps");

/* Keeps the bounds check of a number next to its use: kernels such as 6.1 otherwise forget the bounds. */
#define ANEW(number) asm volatile("" : "+r"(number))

static __always_inline int decided(__u32 counter, int action)
{
	count(counter, 1);
	return action;
}

/* AddressPolicy.isGlobalUnicast; local addresses are checked elsewhere. C-9 */
static __always_inline bool is_global(const struct server_config *c, __u32 address)
{
	__u32 a = bpf_ntohl(address), first = a >> 24;

	if (first == 0 || first == 127 || (first >= 224 && first <= 239) || a == 0xffffffff)
		return false;
	if (a >> 16 == 0xa9fe || a >> 8 == 0xc05863)
		return false;
	if (!c->allow_private && (first == 10 || a >> 20 == 0xac1 || a >> 16 == 0xc0a8))
		return false;
	return true;
}

static __always_inline bool is_local(const struct server_config *c, __u32 address)
{
#pragma unroll
	for (__u32 i = 0; i < MAX_RANGES && i < c->range_count; i++)
		if ((address & c->ranges[i].mask) == c->ranges[i].address)
			return true;
	return address == c->primary || address == c->secondary;
}

/* Not inlined: otherwise `length` of serve() would be on the stack, where kernel 6.1 loses its bounds. */
static __noinline bool is_denied(const struct server_config *c, __u32 address)
{
	struct access_key key;
	__u8 *verdict;

	if (!c->access)
		return false;
	key.prefix = address;
	IN_ORDER();
	key.length = 32;
	verdict = bpf_map_lookup_elem(&access, &key);
	return (verdict ? *verdict : c->access) == ACCESS_DENY;
}

/*
 * Whether the next datagram that could be decided is a sample for the sockets: the first one after `sample_ms` of deciding. From those that
 * arrive, the process learns whether this host drops datagrams on their way to it.
 */
static __always_inline bool is_sample_due(const struct server_config *c, __u64 now)
{
	__u32 zero = 0;
	__u64 *since = bpf_map_lookup_elem(&decided_since, &zero);

	if (!c->sample_ms || !since)
		return false;
	if (!*since)
		*since = now;
	return now - *since >= c->sample_ms * 1000000ULL;
}

/* Whether to leave to the sockets a datagram that could be decided here: every one while the program only watches, otherwise a sample. */
static __always_inline bool is_left(const struct server_config *c, __u64 now)
{
	__u32 zero = 0;
	__u64 *since;

	if (c->mode == MODE_WORK) {
		if (!is_sample_due(c, now))
			return false;
		since = bpf_map_lookup_elem(&decided_since, &zero);
		if (since)
			*since = 0;
	}
	count(COUNT_leftToSockets, 1);
	return true;
}

/* The sum of a datagram's pseudo-header. */
static __always_inline __u32 pseudo_sum(const struct iphdr *ip, const struct udphdr *udp)
{
	__u32 sum = (ip->saddr & 0xffff) + (ip->saddr >> 16) + (ip->daddr & 0xffff) + (ip->daddr >> 16);

	return sum + bpf_htons(IPPROTO_UDP) + udp->len;
}

/* The same with the UDP header. */
static __always_inline __u32 headers_sum(const struct iphdr *ip, const struct udphdr *udp)
{
	return pseudo_sum(ip, udp) + udp->source + udp->dest + udp->len + udp->check;
}

static __always_inline __u16 payload_sum(__u8 *payload, __u32 more)
{
	return fold(fold(bpf_csum_diff(NULL, 0, (__be32 *)payload, MOST, 0)) + more);
}

/*
 * The state of the checksum. 1: the sender left it to the receiver; the field has the sum of the pseudo-header. 0: right, or absent. -1:
 * wrong, as the socket will find, too.
 */
static __always_inline int checksum_state(struct __sk_buff *skb, const struct outer *o, __u8 *payload)
{
	if (!o->udp.check)
		return 0;
	if (o->udp.check == fold(pseudo_sum(&o->ip, &o->udp)) && is_unfinished(skb, o->udp.check))
		return 1;
	return payload_sum(payload, headers_sum(&o->ip, &o->udp)) == 0xffff ? 0 : -1;
}

/* Writes the headers of a leaving datagram: DF off (C-23), from port 3544 (S-1). `sum`: of the payload. */
static __always_inline void address_to(struct outer *o, const struct server_config *c, __u32 source, __u32 destination,
				       __u16 port, __u32 length, __u16 sum, __u16 id, bool unfinished)
{
	o->ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = c->ttl, .protocol = IPPROTO_UDP };
	o->ip.tot_len = bpf_htons(length + WRAPPING);
	o->ip.id = id;
	o->ip.saddr = source;
	o->ip.daddr = destination;
	o->ip.check = header_checksum(&o->ip);
	o->udp.source = bpf_htons(TEREDO_PORT);
	o->udp.dest = port;
	o->udp.len = bpf_htons(length + sizeof(o->udp));
	o->udp.check = 0;
	if (unfinished)
		o->udp.check = fold(pseudo_sum(&o->ip, &o->udp));
	else
		o->udp.check = (__u16)~fold(headers_sum(&o->ip, &o->udp) + sum) ?: 0xffff;
}

/* Obfuscated, as in an origin indication. C-11 */
static __always_inline void write_origin(__u16 origin[4], const struct outer *o)
{
	__u32 address = ~o->ip.saddr;

	origin[0] = 0;
	origin[1] = ~o->udp.source;
	__builtin_memcpy(&origin[2], &address, sizeof(address));
}

/* A verdict that no program gives. */
#define NO_QUESTION 1

/* Answers the frame if it is a solicitation; NO_QUESTION if it is none, or one in a form that user space handles. */
static __always_inline int answer(struct __sk_buff *skb, const struct server_config *c, struct datagram *d, __u64 now, const int at)
{
	__u64 length = c->advertisement_length;
	void *frame = (void *)(long)skb->data;
	struct question q;
	__u16 check;
	bool unfinished = false, summed;

	if (frame + HEADERS + at + SOLICITATION > (void *)(long)skb->data_end) {
		if (bpf_skb_pull_data(skb, HEADERS + at + SOLICITATION))
			return GO_ON; /* no memory */
		frame = (void *)(long)skb->data;
		if (frame + HEADERS + at + SOLICITATION > (void *)(long)skb->data_end)
			return GO_ON;
	}
	if (!is_solicitation(frame, at))
		return NO_QUESTION;
	if (!is_known_length(length) || (has_cone_flag(frame, at) && (!c->secondary || (!c->uplink && !c->any_source))))
		return GO_ON;
	q = question_in(frame, at);
	check = WORD16(frame + CHECKSUM_AT);
	if (check) {
		summed = is_question_summed(frame, at);
		unfinished = check == fold_sum(frame_pseudo_sum(frame)) && is_unfinished(skb, check);
		if (!unfinished && !summed)
			return GO_ON;
	}
	if (is_left(c, now))
		return GO_ON;
	d->payment = (struct payment){ ONE_TOKEN, now >> TIME_UNIT_SHIFT, ANSWERS_SHARED, q.source, q.port };
	if (!take_fairly(c, &d->payment)) {
		limited(c, LIMIT_ANSWERS, q.source);
		return decided(COUNT_droppedAnswerLimit, TC_ACT_SHOT);
	}
	/*
	 * Room in front is cheaper than at the end. A checksum that the kernel will fill in has a fixed place in the packet's memory: then the
	 * frame grows at its end.
	 */
	length += HEADERS + at + ORIGIN;
	if (unfinished ? bpf_skb_change_tail(skb, length, 0) :
			 bpf_skb_adjust_room(skb, (int)(length - skb->len), BPF_ADJ_ROOM_MAC, 0))
		return TC_ACT_SHOT; /* no memory */
	if (!write_answer(c, &q, (void *)(long)skb->data, (void *)(long)skb->data_end, at, d->payment.id, unfinished))
		return TC_ACT_SHOT; /* never */
	/* If there may be several routes out, the datagram leaves by the interface at which it arrived. */
	return decided(COUNT_solicitationsAnswered,
		       c->uplink ? bpf_redirect_neigh(c->uplink, NULL, 0, 0) : bpf_redirect(skb->ifindex, 0));
}

/* Not inlined: the numbers of one program would otherwise be on one stack. */
static __noinline int answer_plain(struct __sk_buff *skb, const struct server_config *c, struct datagram *d, __u64 now)
{
	return answer(skb, c, d, now, 0);
}

static __noinline int answer_with_nonce(struct __sk_buff *skb, const struct server_config *c, struct datagram *d, __u64 now)
{
	return answer(skb, c, d, now, AUTHENTICATION);
}

/* Link-local, or global and permitted as a source: S-16. Unique local and site-local ones are left to user space. */
static __always_inline bool can_be_source(const struct in6_addr *a)
{
	__u32 first = bpf_ntohl(a->in6_u.u6_addr32[0]);

	if (first >> 24 == 0xff || first >> 25 == 0x7e || first >> 22 == 0x3fb)
		return false;
	return first || a->in6_u.u6_addr32[1] || a->in6_u.u6_addr16[4];
}

/*
 * Writes the received payload at `start`, to the end of the datagram. Not inlined: in forward() the length would be on the stack, where
 * kernel 6.1 loses its bounds.
 */
static __noinline int store_received(struct __sk_buff *skb, const struct datagram *d, __u32 start)
{
	__u64 length = d->length;

	if (bpf_skb_change_tail(skb, start + length, 0))
		return -1;
	ANEW(length);
	if (length < sizeof(d->inner) || length > sizeof(d->inner) + MAX_TRAILERS)
		return -1;
	return bpf_skb_store_bytes(skb, start, d->received, length, 0);
}

/* Not inlined, for the same reason as answer(). */
static __noinline int forward(struct __sk_buff *skb, const struct server_config *c, struct datagram *d, __u64 now)
{
	const struct ipv6hdr *inner = &d->inner;
	struct outer *o = &d->outer;
	__u64 length = d->length;
	const __u32 *from = inner->saddr.in6_u.u6_addr32, *to = inner->daddr.in6_u.u6_addr32;
	__u16 from_port = ~inner->saddr.in6_u.u6_addr16[5], to_port = ~inner->daddr.in6_u.u6_addr16[5];
	bool ours = to[1] == c->announced;
	__u32 target = ~to[3], source, start = HEADERS;
	__u64 cost;
	__u16 *origin = d->origin, sum;

	if (!c->uplink || to[0] != bpf_htonl(TEREDO_PREFIX) || !to_port || !is_global(c, target) || is_local(c, target))
		return GO_ON;
	if (from[0] == bpf_htonl(TEREDO_PREFIX)) {
		if (~from[3] != o->ip.saddr || from_port != o->udp.source)
			return GO_ON; /* S-15, S-17 */
	} else if (!ours || !can_be_source(&inner->saddr)) {
		return GO_ON; /* S-16, S-17 */
	}
	if (is_denied(c, target))
		return decided(COUNT_droppedDenied, TC_ACT_SHOT);
	if (is_left(c, now))
		return GO_ON;
	now >>= TIME_UNIT_SHIFT;
	cost = (length + 127) / 128 * ONE_TOKEN; /* forwardingCost */
	/* Forging the address of a relay is easy, knowing the IPv6 source of its bubbles is not: each has a part of the reserve. */
	source = hash(c, hash(c, from[0], from[1]), hash(c, from[2], from[3]));
	d->payment = (struct payment){ cost, now, FORWARDED_BY_PAIR_SHARED, hash(c, o->ip.saddr, target), hash(c, source, to_port) };
	if (!take_fairly(c, &d->payment)) {
		limited(c, LIMIT_FORWARDED_BY_PAIR, o->ip.saddr);
		return decided(COUNT_droppedForwardLimit, TC_ACT_SHOT);
	}
	d->payment = (struct payment){ cost, now, FORWARDED_SHARED, target, o->ip.saddr };
	if (!take_fairly(c, &d->payment)) {
		limited(c, LIMIT_FORWARDED, target);
		return decided(COUNT_droppedForwardLimit, TC_ACT_SHOT);
	}

	sum = payload_sum(d->received, 0);
	if (ours) { /* S-25 */
		write_origin(d->origin, o);
		start += ORIGIN;
		sum = fold(sum + origin[0] + origin[1] + origin[2] + origin[3]);
	}
	if (store_received(skb, d, start) || (ours && bpf_skb_store_bytes(skb, HEADERS, origin, sizeof(d->origin), 0)))
		return TC_ACT_SHOT; /* no memory */
	address_to(o, c, c->primary, target, to_port, start - HEADERS + length, sum, d->payment.id, d->unfinished); /* S-24 */
	if (bpf_skb_store_bytes(skb, ETH_HLEN, o, sizeof(*o), 0))
		return TC_ACT_SHOT;
	return decided(COUNT_forwardedToClients, bpf_redirect_neigh(c->uplink, NULL, 0, 0));
}

/* A bubble, in front of which nothing is. */
static __noinline int pass_on(struct __sk_buff *skb, const struct server_config *c, struct datagram *d, __u64 now)
{
	__u64 length = skb->len - HEADERS;
	int unfinished;

	__builtin_memset(d->received, 0, sizeof(d->received));
	if (bpf_skb_load_bytes(skb, ETH_HLEN, &d->outer, sizeof(d->outer)))
		return GO_ON;
	ANEW(length);
	if (length < sizeof(d->inner) || length > sizeof(d->inner) + MAX_TRAILERS || bpf_skb_load_bytes(skb, HEADERS, d->received, length))
		return GO_ON;
	if (bpf_skb_load_bytes(skb, HEADERS, &d->inner, sizeof(d->inner)) || d->inner.version != 6 ||
	    d->inner.nexthdr != NEXT_NONE || d->inner.payload_len)
		return GO_ON;
	unfinished = checksum_state(skb, &d->outer, d->received);
	if (unfinished < 0)
		return GO_ON;
	d->length = length;
	d->unfinished = unfinished;
	return forward(skb, c, d, now);
}

SEC("tc")
int serve(struct __sk_buff *skb)
{
	__u32 zero = 0, source;
	__u64 length, now;
	struct server_config *c = bpf_map_lookup_elem(&config, &zero);
	__u64 *until = bpf_map_lookup_elem(&alive_until, &zero);
	struct datagram *d = bpf_map_lookup_elem(&datagrams, &zero);
	void *frame;
	int verdict = NO_QUESTION;

	if (!d || !c || c->mode == MODE_OFF || !until)
		return GO_ON;
	if (skb->protocol != bpf_htons(ETH_P_IP) || skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_size)
		return GO_ON;
	frame = (void *)(long)skb->data;
	if (frame + HEADERS > (void *)(long)skb->data_end) {
		if (bpf_skb_pull_data(skb, HEADERS))
			return GO_ON; /* shorter, or no memory */
		frame = (void *)(long)skb->data;
		if (frame + HEADERS > (void *)(long)skb->data_end)
			return GO_ON;
	}
	if (!is_for_server(c, frame))
		return GO_ON;
	now = bpf_ktime_get_coarse_ns();
	if (*until < now)
		return GO_ON;
	source = WORD32(frame + ETH_HLEN + offsetof(struct iphdr, saddr));
	if (c->access && is_denied(c, source))
		return decided(COUNT_droppedDenied, TC_ACT_SHOT);
	length = skb->len - HEADERS;
	if (length < sizeof(d->inner) || length > sizeof(d->inner) + MAX_TRAILERS || !is_whole(frame, skb->len))
		return GO_ON;
	if (!is_global(c, source) || is_local(c, source))
		return GO_ON; /* S-12, S-29 */
	if (c->answers && length == SOLICITATION)
		verdict = answer_plain(skb, c, d, now);
	else if (c->answers && length == AUTHENTICATION + SOLICITATION)
		verdict = answer_with_nonce(skb, c, d, now);
	return verdict == NO_QUESTION ? pass_on(skb, c, d, now) : verdict;
}

/*
 * Whether an answer has to go to the host that has sent the frame, by the interface at which it arrived, as that of serve() does. A driver
 * knows nothing of this, so the process has written the facts that decide it. Frames of others, as in promiscuous mode, have another destination.
 */
static __always_inline bool is_way_back(const struct server_config *c, const struct driver_link *link, const void *frame, __u32 source)
{
	if (WORD32(frame) != WORD32(link->address) || WORD16(frame + 4) != WORD16(link->address + 4))
		return false;
	if (!c->uplink)
		return true; /* there may be several routes out */
	if (c->uplink != link->ifindex || WORD16(frame + ETH_ALEN) != WORD16(link->gateway) ||
	    WORD32(frame + ETH_ALEN + 2) != WORD32(link->gateway + 2))
		return false;
#pragma unroll
	for (__u32 i = 0; i < MAX_NEAR && i < c->near_count; i++)
		if ((source & c->near[i].mask) == c->near[i].address)
			return false;
	return true;
}

/* Tries an entry. Each in its own place in the code: without CAP_PERFMON no addition may be shared by several entries. */
#define TRY_LINK(i)                                                          \
	do {                                                                 \
		const struct driver_link *link = &c->links[i];               \
		if (link->ifindex == ifindex) {                              \
			asm volatile("" : "+r"(link) : "i"(i));              \
			return is_way_back(c, link, frame, source);          \
		}                                                            \
	} while (0)

static __always_inline bool is_answered_back(const struct server_config *c, const void *frame, __u32 ifindex, __u32 source)
{
	TRY_LINK(0);
	TRY_LINK(1);
	TRY_LINK(2);
	TRY_LINK(3);
	return false;
}

/* Whether the frame has just this length, a constant: without CAP_PERFMON no pointer may be subtracted from another. */
static __always_inline bool is_of_length(const struct xdp_md *ctx, const int length)
{
	void *frame = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	return frame + length <= end && frame + length + 1 > end;
}

/* Counts an answer that a driver is about to give; false: it may give no more. */
static __always_inline bool may_answer_in_driver(void)
{
	__u32 zero = 0;
	__u64 before, *most = bpf_map_lookup_elem(&driver_answers, &zero);

	if (!most)
		return false;
#pragma unroll
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		before = *(volatile __u64 *)most;
		if (before == NO_LIMIT)
			return true;
		if (!before)
			return false;
		if (__sync_val_compare_and_swap(most, before, before - 1) == before)
			return true;
	}
	return false;
}

/* As answer(). A checksum that is still to be filled in cannot be told from a wrong one here. Nothing is passed on once a limit has paid. */
static __always_inline int answer_in_driver(struct xdp_md *ctx, const struct server_config *c, __u64 now, const int at)
{
	void *frame = (void *)(long)ctx->data;
	struct question q;
	__u64 length = c->advertisement_length;
	__u16 id;

	if (frame + HEADERS + at + SOLICITATION > (void *)(long)ctx->data_end ||
	    !is_whole(frame, HEADERS + at + SOLICITATION) || !is_solicitation(frame, at))
		return XDP_PASS;
	if (!is_known_length(length) || (has_cone_flag(frame, at) && (!c->secondary || (!c->uplink && !c->any_source))))
		return XDP_PASS;
	if (WORD16(frame + CHECKSUM_AT) && !is_question_summed(frame, at))
		return XDP_PASS;
	if (is_sample_due(c, now))
		return XDP_PASS; /* serve() counts it and leaves it, too */
	if (!may_answer_in_driver())
		return XDP_PASS;
	q = question_in(frame, at);
	/* In front, where each driver has room. The answer is written as a whole. */
	if (bpf_xdp_adjust_head(ctx, (int)(SOLICITATION - ORIGIN - length)))
		return XDP_PASS;
	if (!take_fairly_here(c, ANSWERS_SHARED, q.source, q.port, ONE_TOKEN, now >> TIME_UNIT_SHIFT, &id)) {
		limited(c, LIMIT_ANSWERS, q.source);
		return decided(COUNT_droppedAnswerLimit, XDP_DROP);
	}
	if (!write_answer(c, &q, (void *)(long)ctx->data, (void *)(long)ctx->data_end, at, id, false))
		return XDP_DROP; /* never */
	return decided(COUNT_answeredInDriver, XDP_TX);
}

static __always_inline int answer_plain_in_driver(struct xdp_md *ctx, const struct server_config *c, __u64 now)
{
	return answer_in_driver(ctx, c, now, 0);
}

static __always_inline int answer_with_nonce_in_driver(struct xdp_md *ctx, const struct server_config *c, __u64 now)
{
	return answer_in_driver(ctx, c, now, AUTHENTICATION);
}

/* In front of serve(), in the driver of an interface: answers solicitations, and passes on all that it may not or cannot decide. */
SEC("xdp")
int serve_in_driver(struct xdp_md *ctx)
{
	void *frame = (void *)(long)ctx->data;
	__u32 zero = 0, source;
	__u64 now;
	const struct server_config *c = bpf_map_lookup_elem(&config, &zero);
	__u64 *until = bpf_map_lookup_elem(&alive_until, &zero), *most = bpf_map_lookup_elem(&driver_answers, &zero);

	if (!c || !until || !most || !*most || c->mode != MODE_WORK)
		return XDP_PASS;
	if (frame + HEADERS + SOLICITATION > (void *)(long)ctx->data_end)
		return XDP_PASS;
	if (WORD16(frame + 2 * ETH_ALEN) != bpf_htons(ETH_P_IP) || !is_for_server(c, frame))
		return XDP_PASS;
	now = bpf_ktime_get_coarse_ns();
	source = WORD32(frame + ETH_HLEN + offsetof(struct iphdr, saddr));
	if (*until < now || !is_answered_back(c, frame, ctx->ingress_ifindex, source))
		return XDP_PASS;
	if (c->access && is_denied(c, source))
		return decided(COUNT_droppedDenied, XDP_DROP);
	if (!c->answers || !is_global(c, source) || is_local(c, source))
		return XDP_PASS;
	if (is_of_length(ctx, HEADERS + SOLICITATION))
		return answer_plain_in_driver(ctx, c, now);
	if (is_of_length(ctx, HEADERS + AUTHENTICATION + SOLICITATION))
		return answer_with_nonce_in_driver(ctx, c, now);
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual MIT/GPL";
