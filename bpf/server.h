/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The definitions on which both sides of the server's kernel path must agree. src/linux/bpf/server-layout.ts repeats them in TypeScript;
 * src/linux/bpf/layout.test.ts compares the two.
 */
#ifndef TEREDO_SERVER_H
#define TEREDO_SERVER_H

/*
 * In the order of the counters' array, with the names of the machine's own counters (src/core/server/counters.ts); the values are added to
 * those.
 */
#define COUNTERS(X)                                                                             \
	X(receivedDatagrams)     /* of the kinds below; user space counts those that it gets */ \
	X(solicitationsAnswered)                                                                \
	X(forwardedToClients)                                                                   \
	X(droppedDenied)                                                                        \
	X(droppedAnswerLimit)                                                                   \
	X(droppedForwardLimit)                                                                  \
	X(leftToSockets)         /* could have been decided here: samples, and all of them while the program only watches */

/* Kinds of token buckets: src/core/server/limits.ts. */
#define ANSWERS_SHARED 0
#define ANSWERS_MEMBER 1
#define ANSWERS_RESERVE 2
#define FORWARDED_SHARED 3
#define FORWARDED_MEMBER 4
#define FORWARDED_RESERVE 5
#define FORWARDED_BY_PAIR_SHARED 6
#define FORWARDED_BY_PAIR_MEMBER 7
#define FORWARDED_BY_PAIR_RESERVE 8
#define BUDGETS 9

/* Buckets of each kind. */
#define BUCKETS 16384

/* Limits whose hits are recorded, and the slots of each, for the addresses that reach it most. */
#define LIMIT_ANSWERS 0
#define LIMIT_FORWARDED 1
#define LIMIT_FORWARDED_BY_PAIR 2
#define LIMITS 3
#define LIMIT_SLOTS 64

/*
 * Ranges whose datagrams are left to user space, whether source or target: other addresses of this host, broadcast addresses, and
 * destinations that its routes refuse or reach by an interface where the program is not attached.
 */
#define MAX_RANGES 32

/* Modes: do nothing; only count the datagrams that could be decided; decide. */
#define MODE_OFF 0
#define MODE_WATCH 1
#define MODE_WORK 2

/* The longest advertisement: IPv6 header, 16 octets, prefix, MTU, the option for one address. */
#define MAX_ADVERTISEMENT 104

/* Prefixes of the access list. */
#define MAX_ACCESS 1024
/* Verdicts of the access list. */
#define ACCESS_ALLOW 1
#define ACCESS_DENY 2

/* Addresses and ports are in network order, everything else in the machine's. */

struct range {
	__u32 address;
	__u32 mask; /* all ones, with address 0, in unused entries */
};

struct server_config {
	__u32 primary;
	__u32 secondary;   /* 0: none */
	__u32 announced;   /* the primary address as clients know it; it differs behind a 1:1 NAT */
	__u32 key0;        /* seed of the hash that chooses buckets */
	__u32 key1;
	__u32 uplink;      /* the only interface for leaving datagrams; 0: there may be others, and user space forwards bubbles */
	__u32 sample_ms;   /* after each such time of deciding one datagram is left to the sockets; 0: never */
	struct range ranges[MAX_RANGES];
	__u16 advertisement_length;
	__u16 advertisement_sum; /* the sum of the answer without checksum and destination, in network order */
	__u8 answers;      /* 0: user space answers solicitations */
	__u8 allow_private;
	__u8 ttl;
	__u8 access;       /* the verdict on addresses that no prefix matches; 0: there is no list */
	__u8 mode;
	__u8 any_source;   /* the route out does not depend on the source address, so that answers from the other address leave, too */
	__u8 advertisement[MAX_ADVERTISEMENT];
};

/* Layout of struct bpf_lpm_trie_key. */
struct access_key {
	__u32 length;
	__u32 prefix;
};

/* A kind of token bucket; tokens in 1024ths. */
struct budget {
	__u64 burst;
	__u64 per_second;
	__u64 fill_ns; /* from empty to full */
};

/*
 * The hits of a limit by all addresses of a slot, and those of the address that has the slot. They only grow, until another address gets
 * the slot: `lead` is the number of hits that others need for it. The order of the fields is that in which user space has to read them.
 */
struct limit_hit {
	__u64 times;
	__u32 address;
	__u32 lead;
	__u64 times_of_address;
};

/* The lead has a limit, so that an address whose hits are long past loses its slot after this many hits of others. */
#define MAX_LEAD 64

struct bucket {
	struct bpf_spin_lock lock;
	__u32 rest; /* remainder of the latest filling, in billionths of a 1024th of a token */
	__u64 tokens;
	__u64 at; /* nanoseconds of CLOCK_MONOTONIC; 0: never used, so full */
};

#endif
