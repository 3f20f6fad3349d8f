/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Solicitations in their plainest form, and their answers, in whole Ethernet frames: the same rules for all programs of the server. A
 * solicitation has no extension headers, and in front of it at most an authentication without identifier and value. Its frame has `at`
 * octets in front of the IPv6 packet, a constant each time: without CAP_PERFMON no variable may be added to a packet's pointer. All reads
 * are of the word's own width, although the words are at odd places: both machines for which there are programs can do that.
 */
#ifndef TEREDO_ANSWER_H
#define TEREDO_ANSWER_H

#include "common.h"
#include "server.h"

#define TEREDO_PORT 3544
#define CONE_FLAG 0x8000
#define ICMPV6_RS 133

#define HEADERS (ETH_HLEN + WRAPPING)
#define AUTHENTICATION 13 /* without identifier and value: S-38 */
#define NONCE 4
#define CONFIRMATION 12
#define ORIGIN 8
#define SOLICITATION (sizeof(struct ipv6hdr) + 8)

/* The first eight octets of an IPv6 header without the length. */
#define FIRST_WORDS bpf_cpu_to_be64(0xffffffff0000ffffULL)

#define WORD16(at) (*(__u16 *)(at))
#define WORD32(at) (*(__u32 *)(at))
#define WORD64(at) (*(__u64 *)(at))

/* The one's complement sum of eight octets, as a number that may be added to others. */
static __always_inline __u64 halves(__u64 word)
{
	return (word & 0xffffffff) + (word >> 32);
}

static __always_inline __u16 fold_sum(__u64 sum)
{
	sum = halves(sum);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The sum of octets that begin at `at`, in the sum of a payload: at an odd place they change places. */
static __always_inline __u16 sum_at(const int at, __u16 sum)
{
	return at & 1 ? __builtin_bswap16(sum) : sum;
}

/* Whether a datagram in a frame is for this server, and not in a form that only user space handles. */
static __always_inline bool is_for_server(const struct server_config *c, const void *frame)
{
	const void *ip = frame + ETH_HLEN, *udp = ip + sizeof(struct iphdr);
	__u32 to = WORD32(ip + offsetof(struct iphdr, daddr));
	__u64 sum = 0;

	if (WORD16(udp + offsetof(struct udphdr, dest)) != bpf_htons(TEREDO_PORT))
		return false;
	if (*(__u8 *)ip != 0x45 || *(__u8 *)(ip + offsetof(struct iphdr, protocol)) != IPPROTO_UDP ||
	    WORD16(ip + offsetof(struct iphdr, frag_off)) & bpf_htons(0x3fff))
		return false;
	if (!to || (to != c->primary && to != c->secondary))
		return false;
	if (!WORD16(udp))
		return false; /* no port to answer to */
#pragma unroll
	for (int i = 0; i < (int)sizeof(struct iphdr); i += 4)
		sum += WORD32(ip + i);
	return fold_sum(sum) == 0xffff;
}

/* Whether the lengths in the headers are those of a frame of that length. */
static __always_inline bool is_whole(const void *frame, __u64 length)
{
	return WORD16(frame + ETH_HLEN + offsetof(struct iphdr, tot_len)) == bpf_htons(length - ETH_HLEN) &&
	       WORD16(frame + ETH_HLEN + sizeof(struct iphdr) + offsetof(struct udphdr, len)) ==
		       bpf_htons(length - ETH_HLEN - sizeof(struct iphdr));
}

/* The sum of the pseudo-header of the frame's datagram, which may be its checksum's value while that is still to be filled in. */
static __always_inline __u64 frame_pseudo_sum(const void *frame)
{
	const void *ip = frame + ETH_HLEN, *udp = ip + sizeof(struct iphdr);

	return (__u64)WORD32(ip + offsetof(struct iphdr, saddr)) + WORD32(ip + offsetof(struct iphdr, daddr)) +
	       bpf_htons(IPPROTO_UDP) + WORD16(udp + offsetof(struct udphdr, len));
}

/* The sum of the authentication in front, with this confirmation. */
static __always_inline __u64 authentication_sum(__u64 nonce, __u8 confirmation)
{
	return bpf_htons(1) + halves(nonce) + bpf_htons(confirmation << 8);
}

/* Whether the packet of a frame, whose whole length has been checked, is a solicitation with the right checksum of its own. S-13, S-18, S-38 */
static __always_inline bool is_solicitation(const void *frame, const int at)
{
	const void *inner = frame + HEADERS + at, *message = inner + sizeof(struct ipv6hdr);
	__u64 sum;

	if (at && WORD32(frame + HEADERS) != bpf_htonl(0x00010000))
		return false;
	if ((*(__u8 *)inner & 0xf0) != 0x60 || WORD32(inner + 4) != bpf_htonl(8 << 16 | NEXT_ICMPV6 << 8 | 255))
		return false;
	if ((WORD32(inner + 8) & bpf_htonl(0xffc00000)) != bpf_htonl(0xfe800000))
		return false;
	if (WORD64(inner + 24) != bpf_cpu_to_be64(0xff02ULL << 48) || WORD64(inner + 32) != bpf_cpu_to_be64(2) ||
	    WORD16(message) != bpf_htons(ICMPV6_RS << 8))
		return false;
	sum = halves(WORD64(inner + 8)) + halves(WORD64(inner + 16)) + bpf_htons(0xff02) + bpf_htons(2);
	sum += bpf_htons(8) + bpf_htons(NEXT_ICMPV6) + halves(WORD64(message));
	return fold_sum(sum) == 0xffff;
}

/*
 * Whether the checksum of such a solicitation's datagram is right. The packet's own checksum makes a known sum of its addresses and its
 * message; the first words of its header remain.
 */
static __always_inline bool is_question_summed(const void *frame, const int at)
{
	const void *udp = frame + ETH_HLEN + sizeof(struct iphdr);
	__u64 sum = WORD32(frame + HEADERS + at) + bpf_htons((NEXT_ICMPV6 << 8) + 255 - NEXT_ICMPV6);

	if (at)
		sum = sum_at(at, fold_sum(sum)) +
		      authentication_sum(WORD64(frame + HEADERS + NONCE), *(__u8 *)(frame + HEADERS + CONFIRMATION));
	return fold_sum(frame_pseudo_sum(frame) + halves(WORD64(udp)) + sum) == 0xffff;
}

/* Whether an advertisement of that length fits the program. */
static __always_inline bool is_known_length(__u64 length)
{
	return length == MIN_ADVERTISEMENT || length == MIN_ADVERTISEMENT + 8 || length == MIN_ADVERTISEMENT + 16;
}

static __always_inline bool has_cone_flag(const void *frame, const int at)
{
	return *(__u8 *)(frame + HEADERS + at + 16) & CONE_FLAG >> 8;
}

/* What an answer takes from its question. */
struct question {
	__u64 client[2]; /* the IPv6 source */
	__u64 nonce;
	__u32 source, asked; /* the addresses of the datagram */
	__u32 hardware[2];   /* those of the frame, the first four octets of each; the rest */
	__u16 hardware_rest[2];
	__u16 port;
	bool cone;
};

static __always_inline struct question question_in(const void *frame, const int at)
{
	const void *ip = frame + ETH_HLEN, *inner = frame + HEADERS + at;

	return (struct question){
		.client = { WORD64(inner + 8), WORD64(inner + 16) },
		.nonce = at ? WORD64(frame + HEADERS + NONCE) : 0,
		.source = WORD32(ip + offsetof(struct iphdr, saddr)),
		.asked = WORD32(ip + offsetof(struct iphdr, daddr)),
		.hardware = { WORD32(frame), WORD32(frame + ETH_ALEN) },
		.hardware_rest = { WORD16(frame + 4), WORD16(frame + ETH_ALEN + 4) },
		.port = WORD16(ip + sizeof(struct iphdr)),
		.cone = has_cone_flag(frame, at),
	};
}

/*
 * Writes the answer as a frame: back to where the question came from; DF off (C-23), from port 3544 (S-1). `to`: the packet,
 * `end`: its end. `unfinished`: the checksum is left to the receiver. False: the packet is too short.
 */
static __always_inline bool write_answer(const struct server_config *c, const struct question *q, void *to, const void *end,
					 const int at, __u16 id, bool unfinished)
{
	const __u64 *words = (const __u64 *)c->advertisement;
	void *ip = to + ETH_HLEN, *udp = ip + sizeof(struct iphdr), *payload = to + HEADERS, *packet = payload + at + ORIGIN;
	__u32 destination = q->source, source = !q->cone ? q->asked : q->asked == c->primary ? c->secondary : c->primary; /* S-35 */
	__u16 length = c->advertisement_length, octets = at + ORIGIN + length;
	__u32 ip0 = bpf_htonl(0x45000000 | (WRAPPING + octets)), ip1 = id;
	__u64 addresses = (__u64)source + destination, sum, inner;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	ip1 <<= 16;
#endif
	if (packet + MIN_ADVERTISEMENT > end)
		return false;
	WORD32(to) = q->hardware[1];
	WORD16(to + 4) = q->hardware_rest[1];
	WORD32(to + ETH_ALEN) = q->hardware[0];
	WORD16(to + ETH_ALEN + 4) = q->hardware_rest[0];
	WORD16(to + 2 * ETH_ALEN) = bpf_htons(ETH_P_IP);

	WORD32(ip) = ip0;
	WORD32(ip + 4) = ip1;
	WORD16(ip + 8) = bpf_htons(c->ttl << 8 | IPPROTO_UDP);
	sum = addresses + ip0 + ip1 + bpf_htons(c->ttl << 8 | IPPROTO_UDP);
	WORD16(ip + offsetof(struct iphdr, check)) = ~fold_sum(sum);
	WORD32(ip + offsetof(struct iphdr, saddr)) = source;
	WORD32(ip + offsetof(struct iphdr, daddr)) = destination;

	WORD16(udp) = bpf_htons(TEREDO_PORT);
	WORD16(udp + offsetof(struct udphdr, dest)) = q->port;
	WORD16(udp + offsetof(struct udphdr, len)) = bpf_htons(octets + sizeof(struct udphdr));

	/* S-39: the nonce is kept; of the octets after it only the confirmation is written. */
	if (at) {
		WORD32(payload) = bpf_htonl(0x00010000);
		WORD64(payload + NONCE) = q->nonce;
		*(__u8 *)(payload + CONFIRMATION) = 0;
	}
	/* Obfuscated: C-11 */
	WORD16(packet - ORIGIN) = 0;
	WORD16(packet - ORIGIN + 2) = ~q->port;
	WORD32(packet - ORIGIN + 4) = ~destination;

#pragma unroll
	for (int i = 0; i < 3; i++)
		WORD64(packet + 8 * i) = words[i];
	WORD64(packet + 24) = q->client[0];
	WORD64(packet + 32) = q->client[1];
#pragma unroll
	for (int i = 5; i < MIN_ADVERTISEMENT / 8; i++)
		WORD64(packet + 8 * i) = words[i];
	WORD16(packet + sizeof(struct ipv6hdr) + 2) = ~fold_sum(c->advertisement_sum + halves(q->client[0]) + halves(q->client[1]));
	if (length > MIN_ADVERTISEMENT) {
		if (packet + MIN_ADVERTISEMENT + 8 > end)
			return false;
		WORD64(packet + MIN_ADVERTISEMENT) = words[MIN_ADVERTISEMENT / 8];
	}
	if (length > MIN_ADVERTISEMENT + 8) {
		if (packet + MIN_ADVERTISEMENT + 16 > end)
			return false;
		WORD64(packet + MIN_ADVERTISEMENT + 8) = words[MIN_ADVERTISEMENT / 8 + 1];
	}

	sum = addresses + bpf_htons(IPPROTO_UDP) + bpf_htons(octets + sizeof(struct udphdr));
	if (unfinished) {
		WORD16(udp + offsetof(struct udphdr, check)) = fold_sum(sum);
		return true;
	}
	sum += bpf_htons(octets + sizeof(struct udphdr)) + bpf_htons(TEREDO_PORT) + (__u64)q->port;
	/* As in is_question_summed(), the packet adds no more than the first words of its header. */
	inner = halves(words[0] & FIRST_WORDS) + (__u16)~bpf_htons(NEXT_ICMPV6) + (__u16)~q->port + (__u64)(__u32)~destination;
	sum += at ? sum_at(at, fold_sum(inner)) + authentication_sum(q->nonce, 0) : inner;
	WORD16(udp + offsetof(struct udphdr, check)) = (__u16)~fold_sum(sum) ?: 0xffff;
	return true;
}

#endif
