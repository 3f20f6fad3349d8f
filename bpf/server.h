/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What both sides of the server's kernel path must agree on. src/linux/bpf/server-layout.ts holds the same in TypeScript;
 * src/linux/bpf/layout.test.ts compares the two.
 */
#ifndef TEREDO_SERVER_H
#define TEREDO_SERVER_H

/* In the order of the counters' array, by the names of the machine's own (src/core/server/counters.ts), which they add to. */
#define COUNTERS(X)                                                                                                \
	X(receivedDatagrams)     /* of those below: what goes to user space is counted there */                        \
	X(solicitationsAnswered)                                                                                       \
	X(forwardedToClients)                                                                                          \
	X(droppedDenied)                                                                                               \
	X(droppedAnswerLimit)                                                                                          \
	X(droppedForwardLimit)                                                                                         \
	X(leftToSockets)         /* of what could have been decided: samples, and all of it while the program only watches */

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

/* Limits whose reaching is noted, and slots of each for the addresses that reach it most; behind them one with how often in all. */
#define LIMIT_ANSWERS 0
#define LIMIT_FORWARDED 1
#define LIMIT_FORWARDED_BY_PAIR 2
#define LIMITS 3
#define LIMIT_SLOTS 64

/*
 * Ranges whose datagrams are user space's business, as sources and as targets: other addresses of this host, broadcast addresses, and
 * where its routes refuse, or lead to an interface that the program is not at.
 */
#define MAX_RANGES 32

/* What the program does: nothing; counts what it could decide; decides. */
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
	__u32 mask; /* all ones and address 0 where there are fewer ranges */
};

struct server_config {
	__u32 primary;
	__u32 secondary;   /* 0: none */
	__u32 announced;   /* the primary address as clients know it; another one behind a 1:1 NAT */
	__u32 key0;        /* of the hash that chooses buckets */
	__u32 key1;
	__u32 uplink;      /* the only way out; 0: there may be others, and bubbles are user space's */
	__u32 sample_ms;   /* after such a time of deciding one datagram is left to the sockets; 0: none is */
	struct range ranges[MAX_RANGES];
	__u16 advertisement_length;
	__u16 advertisement_sum; /* what its checksum is made of, without the destination; as it lies in a packet */
	__u8 answers;      /* 0: solicitations are user space's */
	__u8 allow_private;
	__u8 ttl;
	__u8 access;       /* the verdict on addresses that no prefix matches; 0: there is no list */
	__u8 mode;
	__u8 any_source;   /* the way out does not depend on the source address: what answers from the other address goes back, too */
	__u8 advertisement[MAX_ADVERTISEMENT];
};

/* As struct bpf_lpm_trie_key has it. */
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

/* An address that reached a limit, and how many times more than all others of its slot together. */
struct limit_hit {
	__u64 times;
	__u32 address;
	__u32 padding;
};

struct bucket {
	struct bpf_spin_lock lock;
	__u32 rest; /* of the latest filling, in billionths of a 1024th of a token */
	__u64 tokens;
	__u64 at; /* nanoseconds of CLOCK_MONOTONIC; 0: never seen, and full */
};

#endif
