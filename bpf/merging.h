/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Merging behind `decap`. The kernel merges TCP segments (GRO) only where they come in, and cannot see those in datagrams. So `decap` sends
 * unwrapped segments out by the first end of a pair of interfaces (veth). They come in at the second one, the kernel merges them there, and
 * `merged` hands them to the tunnel. docs/adr/0036-merging-behind-tc.md
 */
#ifndef TEREDO_MERGING_H
#define TEREDO_MERGING_H

#include "peer-reports.h"
#include "inner-packet.h"

/* After a super-packet its uplink does without the pair for so long: a super-packet that goes through the pair is cut, which costs more than it saves. */
#define SUPER_UNITS ((__u32)(NS_PER_SECOND >> UNIT_SHIFT))
/* The clock of another processor may be ahead by fewer units than this. */
#define AHEAD_UNITS 16U
/* If packets wait, and none has left the pair for so long, it works no longer. Packets of a connection are sent again after 200 ms. */
#define STUCK_UNITS ((__s32)(NS_PER_SECOND / 10 >> UNIT_SHIFT))
/* A queue of a veth has room for so many packets. */
#define PAIR_ROOM 256
/* Results of `way_through`. */
#define PAST_PAIR 0
#define THROUGH_PAIR 1
#define NO_ROOM 2
#define PAIR_IS_FULL 0xffff
#define TCP_ONLY_ACKNOWLEDGES 0x10

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_PAIR_QUEUES);
	__type(key, __u32);
	__type(value, struct pair_queue);
} pair_queues SEC(".maps");

/* User space writes it. The programs write to `pair_queues`: so neither undoes a change of the other. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_PAIR_QUEUES);
	__type(key, __u32);
	__type(value, struct pair_look);
} pair_looks SEC(".maps");

/* Each processor has a queue of its own, so packets of a connection keep their order as long as they come to one processor, as without the pair. */
static __always_inline struct pair_queue *queue_of(__u32 at)
{
	return ENTRY(&pair_queues, at);
}

/* The longest TCP header. */
#define TCP_MOST 60

/*
 * Whether a segment only acknowledges. The kernel does not merge these. They may overtake data in the other direction's segments: TCP takes
 * an old number for what it is. Not inlined, like the next function: the stack is short.
 */
static __noinline bool only_acknowledges(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
{
	__u32 length = bpf_ntohs(inner->payload_len);
	struct {
		__u8 lengths;
		__u8 flags;
	} tcp;

	if (length > TCP_MOST || skb->gso_size || bpf_skb_load_bytes(skb, at + sizeof(*inner) + TCP_LENGTH, &tcp, sizeof(tcp)))
		return false;
	return tcp.flags == TCP_ONLY_ACKNOWLEDGES && length == (tcp.lengths >> 4) * 4;
}

static __always_inline bool is_stuck(const struct pair_queue *queue, __u32 units)
{
	return has_passed(units, queue->sent_at, STUCK_UNITS) && has_passed(units, queue->arrived_at, STUCK_UNITS);
}

/* The packets that wait in a queue. Fewer than 0: a predecessor has sent them, or packets that were taken for lost have come. */
static __always_inline __s32 waiting_in(struct pair_queue *queue, const struct pair_look *look)
{
	return *(volatile __u32 *)&queue->sent - *(volatile __u32 *)&queue->arrived - look->lost;
}

/*
 * Whether a super-packet has come by this uplink within a second. Without one the record has 0; the count of units comes back to it each 52
 * days, for a second then.
 */
static __always_inline bool has_super(const struct uplink *uplink, __u32 units)
{
	return units - uplink->last_super + AHEAD_UNITS < SUPER_UNITS + AHEAD_UNITS;
}

/*
 * How a packet that comes from this uplink now goes. It may not overtake earlier ones that wait in the pair. So a super-packet is sent after them, and cut there.
 * If the queue is full, the packet is dropped, as any full queue drops it.
 */
static __always_inline __u32 way_through(struct pair_queue *queue, const struct pair_look *look, const struct uplink *uplink, __u32 packets,
					 __u32 units)
{
	__s32 waiting = waiting_in(queue, look);

	if (waiting > 0) {
		if (is_stuck(queue, units))
			return PAST_PAIR;
		return waiting + packets <= PAIR_ROOM ? THROUGH_PAIR : NO_ROOM;
	}
	if (waiting < 0)
		queue->sent = queue->arrived + look->lost;
	queue->sent_at = units;
	return has_super(uplink, units) || uplink->pair_ends ? PAST_PAIR : THROUGH_PAIR;
}

/* The number of segments of an unwrapped TCP packet behind so many octets: the kernel forgets it when it takes the wrapping off. The header is no data. */
static __always_inline __u32 segments_of(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner)
{
	__u32 most = skb->gso_size, data = bpf_ntohs(inner->payload_len), header;
	__u8 words;

	if (!most || bpf_skb_load_bytes(skb, at + sizeof(*inner) + TCP_LENGTH, &words, sizeof(words)))
		return 1;
	header = (words >> 4) * 4;
	return data > header ? (data - header + most - 1) / most : 1;
}

/* The queue of the pair, from 1 on, through which an unwrapped TCP packet behind so many octets goes. 0: it goes to the tunnel. PAIR_IS_FULL: it is dropped. */
static __noinline __u32 pair_queue_for(struct __sk_buff *skb, __u32 at, const struct ipv6hdr *inner, struct uplink *uplink, __u32 units)
{
	__u32 packets = segments_of(skb, at, inner), number;
	struct pair_queue *queue;
	struct pair_look *look;
	__u32 way;

	if (!uplink)
		return 0;
	if (skb->gso_size && uplink->last_super != units)
		uplink->last_super = units;
	if (only_acknowledges(skb, at, inner))
		return 0;
	number = bpf_get_smp_processor_id();
	if (number >= uplink->pair_queues)
		number %= uplink->pair_queues ?: 1;
	queue = queue_of(number);
	look = ENTRY(&pair_looks, number);
	if (!queue || !look)
		return 0;
	way = way_through(queue, look, uplink, packets, units);
	if (way == PAST_PAIR)
		return 0;
	__sync_fetch_and_add(way == NO_ROOM ? &queue->full : &queue->sent, packets);
	return way == NO_ROOM ? PAIR_IS_FULL : number + 1;
}

/*
 * Sends an unwrapped packet behind so many octets into a queue of the pair, from 1 on. The Ethernet header says so to `merged`: the kernel does not tell in the
 * same way in all versions.
 */
static __always_inline int send_to_pair(struct __sk_buff *skb, __u32 l2, const struct config *c, __u32 pair, __u32 queue)
{
	struct ethhdr *ethernet;
	__u16 *words;

	if (!l2 && bpf_skb_change_head(skb, ETH_HLEN, 0))
		return TC_ACT_SHOT; /* no memory */
	ethernet = (void *)(long)skb->data;
	if ((void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;
	/* No host has the address 0: without `merged` the kernel takes the packet for another host's, and drops it. */
	__builtin_memset(ethernet->h_dest, 0, sizeof(ethernet->h_dest));
	words = (__u16 *)ethernet->h_source;
	words[0] = c->pair_address[0];
	words[1] = c->pair_address[1];
	words[2] = queue;
	ethernet->h_proto = bpf_htons(ETH_P_IPV6);
	skb->queue_mapping = queue;
	return bpf_redirect(pair, 0);
}

/* The queue through which a packet has come, from 1 on; 0: it is not from `send_to_pair`. */
static __always_inline __u32 queue_in(const struct ethhdr *ethernet, const struct config *c)
{
	const __u16 *to = (const __u16 *)ethernet->h_dest, *from = (const __u16 *)ethernet->h_source;

	if (to[0] | to[1] | to[2] || from[0] != c->pair_address[0] || from[1] != c->pair_address[1])
		return 0;
	return ethernet->h_proto == bpf_htons(ETH_P_IPV6) ? from[2] : 0;
}

/* Keeps the least number of packets that waited since the last look: packets that wait all the time are lost. */
static __always_inline void note_waiting(struct pair_queue *queue, const struct pair_look *look)
{
	__s32 waiting = waiting_in(queue, look);

	if (waiting < 0)
		waiting = 0;
	if (queue->look == look->number && waiting >= queue->least)
		return;
	queue->least = waiting;
	queue->look = look->number;
}

/* Ingress of the second end. Nothing else comes in there, except frames of programs on this host. */
SEC("tc")
int merged(struct __sk_buff *skb)
{
	struct ethhdr *ethernet = (void *)(long)skb->data;
	__u32 zero = 0, number, packets = skb->gso_segs ?: 1;
	struct config *c = bpf_map_lookup_elem(&config, &zero);
	struct pair_queue *queue;
	struct pair_look *look;

	if (!c || (void *)(ethernet + 1) > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;
	number = queue_in(ethernet, c);
	if (!number)
		return TC_ACT_SHOT;
	number--;
	queue = queue_of(number);
	look = ENTRY(&pair_looks, number);
	if (queue && look) {
		__sync_fetch_and_add(&queue->arrived, packets);
		queue->arrived_at = bpf_ktime_get_coarse_ns() >> UNIT_SHIFT;
		note_waiting(queue, look);
	}
	count(COUNT_inMerging, packets);
	bpf_skb_change_type(skb, PACKET_HOST);
	return bpf_redirect(c->tunnel, BPF_F_INGRESS);
}

#endif
