/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The definitions on which both sides of the server's kernel path must agree. src/linux/bpf/server-layout.ts repeats them in TypeScript;
 * src/linux/bpf/layout.test.ts compares the two.
 */
#ifndef TEREDO_SERVER_H
#define TEREDO_SERVER_H

/*
 * In the order of the counters' array, with the names of the machine's own counters (src/core/server/counters.ts); the values are added to
 * those. All but the last are of datagrams that user space does not get.
 */
#define COUNTERS(X)                                                                             \
	X(solicitationsAnswered) /* by the program behind the driver */                         \
	X(answeredInDriver)                                                                     \
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

/* Interfaces with a program in their driver, and ranges whose hosts are next to this one. */
#define MAX_DRIVER_LINKS 4
#define MAX_NEAR 8

/* Modes: do nothing; only count the datagrams that could be decided; decide. */
#define MODE_OFF 0
#define MODE_WATCH 1
#define MODE_WORK 2

/* An advertisement: IPv6 header, 16 octets, prefix; and the longest, with MTU and the option for one address, of 8 octets each. */
#define MIN_ADVERTISEMENT 88
#define MAX_ADVERTISEMENT 104
#define MAX_ADVERTISEMENT_WORDS 13

/* Prefixes of the access list. */
#define MAX_ACCESS 1024
/* Verdicts of the access list. */
#define ACCESS_ALLOW 1
#define ACCESS_DENY 2

/* Addresses and ports are in network order, everything else in the machine's. */

struct range {
	__u32 address;
	__u32 mask;
};

/* An interface with a program in its driver. */
struct driver_link {
	__u32 ifindex;     /* 0: unused */
	__u8 address[6];   /* of the interface, in Ethernet */
	__u8 gateway[6];   /* of the host to which datagrams go that are for no near one */
};

struct server_config {
	__u32 primary;
	__u32 secondary;   /* 0: none */
	__u32 announced;   /* the primary address as clients know it; it differs behind a 1:1 NAT */
	__u32 key0;        /* seed of the hash that chooses buckets */
	__u32 key1;
	__u32 uplink;      /* the only interface for leaving datagrams; 0: there may be others, and user space forwards bubbles */
	__u32 sample_ms;   /* after each such time of deciding one datagram is left to the sockets; 0: never */
	__u16 range_count;
	__u16 near_count;
	struct range ranges[MAX_RANGES];
	struct driver_link links[MAX_DRIVER_LINKS];
	struct range near[MAX_NEAR];
	__u64 advertisement[MAX_ADVERTISEMENT_WORDS];
	__u16 advertisement_length;
	__u16 advertisement_sum; /* the sum of the answer without checksum and destination, in network order */
	__u8 answers;      /* 0: user space answers solicitations */
	__u8 allow_private;
	__u8 ttl;
	__u8 access;       /* the verdict on addresses that no prefix matches; 0: there is no list */
	__u8 mode;
	__u8 any_source;   /* the route out does not depend on the source address, so that answers from the other address leave, too */
};

/* Layout of struct bpf_lpm_trie_key. */
struct access_key {
	__u32 length;
	__u32 prefix;
};

/*
 * A bucket is one word, which is changed at once: 28 bits of time, in units of 2^22 ns (4 ms; all together 13 days, after which a bucket may
 * look as if it had been used lately), and 36 bits of tokens, in parts of 2^-12.
 */
#define PARTS_BITS 36
#define PARTS_MASK ((1ULL << PARTS_BITS) - 1)
#define TIME_MASK ((1ULL << (64 - PARTS_BITS)) - 1)
#define TIME_UNIT_SHIFT 22
#define TOKEN_SHIFT 12
#define ONE_TOKEN (1ULL << TOKEN_SHIFT)
/* The rate of filling is in 2^-20 parts. */
#define RATE_SHIFT 20
/* More than the longest time between two steps of the coarse clock (10 ms) and a unit, in units. */
#define SLACK 4
/* A bucket's time may be this far ahead of a processor's that was stopped in between: 17 s, in units. */
#define AHEAD 4096
/* A bucket that has tokens is filled after this time, in units: at each filling less than a part is lost. */
#define FILLING 16
/* How often a bucket is read again that another processor has changed meanwhile. After that the datagram counts as one too many. */
#define ATTEMPTS 4

/* A kind of token bucket. */
struct budget {
	__u64 burst;    /* in parts */
	__u64 per_unit; /* the rate of filling */
	__u64 fill;     /* from empty to full, in units of time */
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

#endif
