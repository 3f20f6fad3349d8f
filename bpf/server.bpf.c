/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The server's kernel path, at the ingress of the interface that has the server's addresses:
 *
 *     a solicitation without secret keys    answered
 *     a bubble to a Teredo client           forwarded, with the origin indication if it is a client of this server
 *
 * It handles the plainest form of each. All other datagrams (pings, keys, options, headers in front of a bubble, violations of a rule) go
 * to user space, where src/core/server has the complete rules. The limits are those of src/core/fair-budget.ts and token-buckets.ts;
 * datagrams beyond them are dropped here. Rows are those of docs/rfc-compliance.md.
 */
#include "common.h"
#include "server.h"
#include "counters.h"

#define SECOND 1000000000ULL
#define TEREDO_PORT 3544
#define TEREDO_PREFIX 0x20010000
#define CONE_FLAG 0x8000

#define ICMPV6_RS 133
#define HEADERS (ETH_HLEN + WRAPPING)
#define AUTHENTICATION 13 /* without identifier and value: S-38 */
#define ORIGIN 8
#define SOLICITATION (sizeof(struct ipv6hdr) + 8)
#define MAX_TRAILERS 64 /* MAX_FORWARDED_TRAILER_BYTES */
/* The longest payload, sent or received, that is processed; a multiple of 4. */
#define MOST 128

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct server_config);
} config SEC(".maps");

/* The server is known to live until this time, in nanoseconds of CLOCK_MONOTONIC: filters at clsact outlive a killed process. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} alive_until SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BUDGETS);
	__type(key, __u32);
	__type(value, struct budget);
} budgets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BUDGETS * BUCKETS);
	__type(key, __u32);
	__type(value, struct bucket);
} buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LIMITS * LIMIT_SLOTS);
	__type(key, __u32);
	__type(value, struct limit_hit);
} limit_hits SEC(".maps");

/* Verdicts on IPv4 addresses; the longest prefix decides, as in src/core/access-list.ts. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAX_ACCESS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct access_key);
	__type(value, __u8);
} access SEC(".maps");
/* When the first datagram after the latest sample was decided, in nanoseconds of CLOCK_MONOTONIC; 0: none was. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} decided_since SEC(".maps");

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
	/* Payloads, with zeros after them. */
	__u8 received[MOST];
	__u8 sent[MOST];
	struct outer outer;
	struct ipv6hdr inner;
	struct ethhdr ethernet;
	__u16 origin[4];
	__u16 message[4]; /* ICMPv6 */
	__u64 length;     /* of `received` */
	__u32 at;         /* the octets in front of the IPv6 header */
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
	count(COUNT_receivedDatagrams, 1);
	count(counter, 1);
	return action;
}

#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))

#define ROUND(v0, v1, v2, v3)                                                                                      \
	do {                                                                                                           \
		v0 += v1;                                                                                                  \
		v1 = ROTATE(v1, 5) ^ v0;                                                                                   \
		v0 = ROTATE(v0, 16);                                                                                       \
		v2 += v3;                                                                                                  \
		v3 = ROTATE(v3, 8) ^ v2;                                                                                   \
		v0 += v3;                                                                                                  \
		v3 = ROTATE(v3, 7) ^ v0;                                                                                   \
		v2 += v1;                                                                                                  \
		v1 = ROTATE(v1, 13) ^ v2;                                                                                  \
		v2 = ROTATE(v2, 16);                                                                                       \
	} while (0)

/* HalfSipHash-1-3 of two words, as in src/core/hash.ts. Without the key a sender cannot choose the address with which it shares a bucket. */
static __noinline __u32 hash(const struct server_config *c, __u32 a, __u32 b)
{
	__u32 v0 = c->key0, v1 = c->key1, v2 = 0x6c796765 ^ c->key0, v3 = 0x74656462 ^ c->key1;
	__u32 length = 8u << 24;

	v3 ^= a;
	ROUND(v0, v1, v2, v3);
	v0 ^= a;
	v3 ^= b;
	ROUND(v0, v1, v2, v3);
	v0 ^= b;
	v3 ^= length;
	ROUND(v0, v1, v2, v3);
	v0 ^= length;
	v2 ^= 0xff;
	ROUND(v0, v1, v2, v3);
	ROUND(v0, v1, v2, v3);
	ROUND(v0, v1, v2, v3);
	return v1 ^ v3;
}

/* Takes this number of tokens (in 1024ths) from the bucket that a hash chooses. If there are fewer: false, and takes none. */
static __noinline bool take(__u32 kind, __u32 key, __u32 cost)
{
	__u64 now = bpf_ktime_get_ns(), elapsed, gained;
	struct budget *budget;
	struct bucket *bucket;
	bool granted;
	__u32 at;

	if (kind >= BUDGETS)
		return false;
	at = kind * BUCKETS + key % BUCKETS;
	budget = bpf_map_lookup_elem(&budgets, &kind);
	bucket = bpf_map_lookup_elem(&buckets, &at);
	if (!budget || !bucket)
		return false;
	bpf_spin_lock(&bucket->lock);
	elapsed = now > bucket->at ? now - bucket->at : 0;
	if (!bucket->at || elapsed >= budget->fill_ns) {
		bucket->tokens = budget->burst;
	} else {
		/* Keeps the fraction of a token: otherwise a sender that asks all the time would never get a whole one. */
		gained = elapsed * budget->per_second + bucket->rest;
		bucket->tokens += gained / SECOND;
		bucket->rest = gained % SECOND;
	}
	if (bucket->tokens >= budget->burst) {
		bucket->tokens = budget->burst;
		bucket->rest = 0;
	}
	bucket->at += elapsed;
	granted = bucket->tokens >= cost;
	if (granted)
		bucket->tokens -= cost;
	bpf_spin_unlock(&bucket->lock);
	return granted;
}

/* FairBudget.take: from the group's shared tokens, otherwise from the reserve, of which each member gets a few. `kind`: the shared one. */
static __always_inline bool take_fairly(const struct server_config *c, __u32 kind, __u32 group, __u32 member, __u32 cost)
{
	__u32 shared = hash(c, group, kind);

	if (take(kind, shared, cost))
		return true;
	return take(kind + 1, hash(c, shared, member), cost) && take(kind + 2, shared, cost);
}

/*
 * Records that this address has reached a limit. Each slot keeps the address of a majority (Boyer and Moore, 1981): constant memory, and
 * the heaviest sender is found. Each processor has slots of its own, so that no count is lost.
 */
static __noinline int limited(const struct server_config *c, __u32 limit, __u32 address)
{
	__u32 at = limit * LIMIT_SLOTS + hash(c, address, limit) % LIMIT_SLOTS;
	struct limit_hit *hit = bpf_map_lookup_elem(&limit_hits, &at);

	if (!hit)
		return 0;
	if (hit->address == address) {
		if (hit->lead < MAX_LEAD)
			hit->lead++;
		hit->times_of_address++;
	} else if (hit->lead) {
		hit->lead--;
	} else {
		hit->lead = 1;
		hit->times_of_address = 1;
		IN_ORDER();
		hit->address = address;
	}
	/* Written last and read first: user space never reads a hit of the slot before it can read the address of that hit. */
	IN_ORDER();
	hit->times++;
	return 0;
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
	for (int i = 0; i < MAX_RANGES; i++)
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
 * Whether to leave to the sockets a datagram that could be decided here: every one while the program only watches, otherwise the first one
 * after `sample_ms` of deciding. From those that arrive, the process learns whether this host drops datagrams on their way to it.
 */
static __always_inline bool is_left(const struct server_config *c)
{
	__u32 zero = 0;
	__u64 now, *since;

	if (c->mode == MODE_WORK) {
		since = bpf_map_lookup_elem(&decided_since, &zero);
		if (!c->sample_ms || !since)
			return false;
		now = bpf_ktime_get_ns();
		if (!*since)
			*since = now;
		if (now - *since < c->sample_ms * 1000000ULL)
			return false;
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
				       __u16 port, __u32 length, __u16 sum, bool unfinished)
{
	o->ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = c->ttl, .protocol = IPPROTO_UDP };
	o->ip.tot_len = bpf_htons(length + WRAPPING);
	o->ip.id = bpf_get_prandom_u32();
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

/* Whether the packet is a solicitation with the right checksum. S-13, S-18 */
static __always_inline bool is_solicitation(struct __sk_buff *skb, struct datagram *d)
{
	const struct ipv6hdr *inner = &d->inner;
	__u16 *message = d->message;
	__u32 sum;

	if (inner->nexthdr != NEXT_ICMPV6 || inner->payload_len != bpf_htons(8) || inner->hop_limit != 255)
		return false;
	if ((inner->saddr.in6_u.u6_addr32[0] & bpf_htonl(0xffc00000)) != bpf_htonl(0xfe800000))
		return false;
	if (inner->daddr.in6_u.u6_addr32[0] != bpf_htonl(0xff020000) || inner->daddr.in6_u.u6_addr32[1] ||
	    inner->daddr.in6_u.u6_addr32[2] || inner->daddr.in6_u.u6_addr32[3] != bpf_htonl(2))
		return false;
	if (bpf_skb_load_bytes(skb, HEADERS + d->at + sizeof(*inner), message, sizeof(d->message)) ||
	    message[0] != bpf_htons(ICMPV6_RS << 8))
		return false;
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&((struct ipv6hdr *)inner)->saddr, 32, bpf_htons(8) + bpf_htons(NEXT_ICMPV6));
	sum = fold(sum) + message[0] + message[1] + message[2] + message[3];
	return fold(sum) == 0xffff;
}

/* Not inlined: otherwise its numbers, too, would be on the stack of serve(). */
static __noinline int answer(struct __sk_buff *skb, const struct server_config *c, struct datagram *d)
{
	const struct ipv6hdr *inner = &d->inner;
	struct outer *o = &d->outer;
	bool cone = inner->saddr.in6_u.u6_addr16[4] & bpf_htons(CONE_FLAG);
	__u32 asked = o->ip.daddr, at = d->at, ra = HEADERS + at + ORIGIN, end;
	__u64 length;
	__u8 zero = 0;
	__u16 checksum;
	__u32 sum, source;

	if (cone && (!c->secondary || (!c->uplink && !c->any_source)))
		return GO_ON;
	length = c->advertisement_length;
	source = !cone ? asked : asked == c->primary ? c->secondary : c->primary; /* S-35 */
	if (bpf_skb_load_bytes(skb, 0, &d->ethernet, sizeof(d->ethernet)))
		return GO_ON;
	if (is_left(c))
		return GO_ON;
	if (!take_fairly(c, ANSWERS_SHARED, o->ip.saddr, o->udp.source, 1024)) {
		limited(c, LIMIT_ANSWERS, o->ip.saddr);
		return decided(COUNT_droppedAnswerLimit, TC_ACT_SHOT);
	}
	end = ra + length;
	sum = c->advertisement_sum;
#pragma unroll
	for (int i = 0; i < 8; i++)
		sum += inner->saddr.in6_u.u6_addr16[i];
	checksum = ~fold(sum);
	write_origin(d->origin, o);
	ANEW(length);
	if (length < 72 || length > MAX_ADVERTISEMENT)
		return GO_ON;
	/* S-39: the nonce is kept; of the octets after it only the confirmation is written. */
	if (bpf_skb_change_tail(skb, end, 0) ||
	    (at && bpf_skb_store_bytes(skb, HEADERS + AUTHENTICATION - 1, &zero, 1, 0)) ||
	    bpf_skb_store_bytes(skb, HEADERS + at, d->origin, sizeof(d->origin), 0) ||
	    bpf_skb_store_bytes(skb, ra, c->advertisement, length, 0) ||
	    bpf_skb_store_bytes(skb, ra + 24, &inner->saddr, 16, 0) || /* S-33 */
	    bpf_skb_store_bytes(skb, ra + sizeof(*inner) + 2, &checksum, 2, 0))
		return TC_ACT_SHOT; /* no memory */
	length += at + ORIGIN;
	ANEW(length);
	if (!length || length > MOST || bpf_skb_load_bytes(skb, HEADERS, d->sent, length))
		return TC_ACT_SHOT;
	address_to(o, c, source, o->ip.saddr, o->udp.source, length, payload_sum(d->sent, 0), d->unfinished);
	if (bpf_skb_store_bytes(skb, ETH_HLEN, o, sizeof(*o), 0))
		return TC_ACT_SHOT;
	if (c->uplink)
		return decided(COUNT_solicitationsAnswered, bpf_redirect_neigh(c->uplink, NULL, 0, 0));
	/* If there may be several routes out, the datagram leaves by the interface at which it arrived. */
	if (bpf_skb_store_bytes(skb, 0, d->ethernet.h_source, ETH_ALEN, 0) ||
	    bpf_skb_store_bytes(skb, ETH_ALEN, d->ethernet.h_dest, ETH_ALEN, 0))
		return TC_ACT_SHOT;
	return decided(COUNT_solicitationsAnswered, bpf_redirect(skb->ifindex, 0));
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
static __noinline int forward(struct __sk_buff *skb, const struct server_config *c, struct datagram *d)
{
	const struct ipv6hdr *inner = &d->inner;
	struct outer *o = &d->outer;
	__u64 length = d->length;
	const __u32 *from = inner->saddr.in6_u.u6_addr32, *to = inner->daddr.in6_u.u6_addr32;
	__u16 from_port = ~inner->saddr.in6_u.u6_addr16[5], to_port = ~inner->daddr.in6_u.u6_addr16[5];
	bool ours = to[1] == c->announced;
	__u32 target = ~to[3], cost, source, start = HEADERS;
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
	if (is_left(c))
		return GO_ON;
	cost = (length + 127) / 128 * 1024; /* forwardingCost */
	/* Forging the address of a relay is easy, knowing the IPv6 source of its bubbles is not: each has a part of the reserve. */
	source = hash(c, hash(c, from[0], from[1]), hash(c, from[2], from[3]));
	if (!take_fairly(c, FORWARDED_BY_PAIR_SHARED, hash(c, o->ip.saddr, target), hash(c, source, to_port), cost)) {
		limited(c, LIMIT_FORWARDED_BY_PAIR, o->ip.saddr);
		return decided(COUNT_droppedForwardLimit, TC_ACT_SHOT);
	}
	if (!take_fairly(c, FORWARDED_SHARED, target, o->ip.saddr, cost)) {
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
	address_to(o, c, c->primary, target, to_port, start - HEADERS + length, sum, d->unfinished); /* S-24 */
	if (bpf_skb_store_bytes(skb, ETH_HLEN, o, sizeof(*o), 0))
		return TC_ACT_SHOT;
	return decided(COUNT_forwardedToClients, bpf_redirect_neigh(c->uplink, NULL, 0, 0));
}

SEC("tc")
int serve(struct __sk_buff *skb)
{
	__u32 zero = 0, at = 0;
	__u64 length;
	struct server_config *c = bpf_map_lookup_elem(&config, &zero);
	__u64 *until = bpf_map_lookup_elem(&alive_until, &zero);
	struct datagram *d = bpf_map_lookup_elem(&datagrams, &zero);
	struct outer *o;
	int unfinished;

	if (!d || !c || c->mode == MODE_OFF || !until || *until < bpf_ktime_get_coarse_ns())
		return GO_ON;
	o = &d->outer;
	if (skb->protocol != bpf_htons(ETH_P_IP) || skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_size)
		return GO_ON;
	if (bpf_skb_load_bytes(skb, ETH_HLEN, o, sizeof(*o)))
		return GO_ON;
	if (o->ip.protocol != IPPROTO_UDP || o->ip.version != 4 || o->ip.ihl != 5 || o->udp.dest != bpf_htons(TEREDO_PORT) ||
	    o->ip.frag_off & bpf_htons(0x3fff))
		return GO_ON;
	if (header_checksum(&o->ip) || !o->udp.source)
		return GO_ON; /* wrong, or no address to answer to */
	if (!o->ip.daddr || (o->ip.daddr != c->primary && o->ip.daddr != c->secondary))
		return GO_ON;
	if (is_denied(c, o->ip.saddr))
		return decided(COUNT_droppedDenied, TC_ACT_SHOT);
	length = skb->len - HEADERS;
	if (length < sizeof(d->inner) || length > sizeof(d->inner) + MAX_TRAILERS ||
	    bpf_ntohs(o->ip.tot_len) != length + WRAPPING || bpf_ntohs(o->udp.len) != length + sizeof(o->udp))
		return GO_ON;
	if (!is_global(c, o->ip.saddr) || is_local(c, o->ip.saddr))
		return GO_ON; /* S-12, S-29 */
	__builtin_memset(d->received, 0, sizeof(d->received));
	__builtin_memset(d->sent, 0, sizeof(d->sent));
	ANEW(length);
	if (length < sizeof(d->inner) || length > sizeof(d->inner) + MAX_TRAILERS || bpf_skb_load_bytes(skb, HEADERS, d->received, length))
		return GO_ON;
	/* S-38: authentication with neither identifier nor value, in front of a solicitation. */
	if (!d->received[0]) {
		if (length != AUTHENTICATION + SOLICITATION || d->received[1] != 1 || d->received[2] || d->received[3])
			return GO_ON;
		at = AUTHENTICATION;
	}
	if (bpf_skb_load_bytes(skb, HEADERS + at, &d->inner, sizeof(d->inner)) || d->inner.version != 6)
		return GO_ON;
	unfinished = checksum_state(skb, o, d->received);
	if (unfinished < 0)
		return GO_ON;
	d->at = at;
	d->length = length;
	d->unfinished = unfinished;
	if (c->answers && length == at + SOLICITATION && is_solicitation(skb, d))
		return answer(skb, c, d);
	if (!at && d->inner.nexthdr == NEXT_NONE && !d->inner.payload_len)
		return forward(skb, c, d);
	return GO_ON;
}

char _license[] SEC("license") = "Dual MIT/GPL";
