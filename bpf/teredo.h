/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What both sides of the kernel path must agree on. src/linux/bpf/layout.ts holds the same in TypeScript;
 * src/linux/bpf/layout.test.ts compares the two.
 */
#ifndef TEREDO_H
#define TEREDO_H

/*
 * What became of the packets, in the order of the counters' array. Out: the host's packets into the tunnel; in: datagrams
 * to our port. What is not carried goes to user space, but for inEcnDropped.
 */
#define COUNTERS(X)                                                                                                \
	X(carriedOut)            /* packets carried */                                                                 \
	X(carriedIn)                                                                                                   \
	X(carriedNothing)        /* out, with nothing inside: no traffic, but the peer's programs hear of ours */      \
	X(outNoPeer)             /* destination not offered */                                                         \
	X(outNotHeard)           /* its validity has lapsed: CL-60, R-26 */                                            \
	X(outQuestion)           /* silent although sent to: the machine is to ask */                                  \
	X(outForeignSource)                                                                                            \
	X(outMalformed)                                                                                                \
	X(outTooBig)                                                                                                   \
	X(outUnfinished)         /* the peer might get it uncut or without its checksum, and not be able to take it */ \
	X(outRefused)            /* the kernel cannot wrap this one */                                                 \
	X(inNoPeer)                                                                                                    \
	X(inElsewhere)           /* from another address or port than the peer's, or to another of ours */             \
	X(inNotHeard)                                                                                                  \
	X(inForeignDestination)                                                                                        \
	X(inOtherLength)         /* authentication, origin, trailers, several datagrams as one, or no IPv6 */          \
	X(inBubble)                                                                                                    \
	X(inAdvertisement)       /* of a router: the machine alone believes one, and only its server's */              \
	X(inTestReply)           /* may answer our connectivity test */                                                \
	X(inExtension)           /* hop-by-hop options, a routing header, or a fragment: of IPv6, or of IPv4 */          \
	X(inBroken)              /* a wrong checksum outside, or one that cannot be told */                            \
	X(inEcnDropped)          /* congestion that cannot be told to the sender: N-8 */                               \
	X(inRefused)             /* the kernel cannot unwrap this one */                                               \
	X(reportsLate)           /* no room in the ring of reports; the next packet tries again */

/* Interfaces that peers are reached through. */
#define MAX_UPLINKS 16

#define ROLE_NONE 0
/* The own address is `own`. */
#define ROLE_CLIENT 1
/* Own addresses are those that `served` holds, but no Teredo ones. */
#define ROLE_RELAY 2

/* Times of peers are nanoseconds of CLOCK_MONOTONIC; those in 32 bits are in units of 2^20 of them and wrap round. */
#define UNIT_SHIFT 20
#define NS_PER_SECOND 1000000000ULL
/* PEER_VALIDITY_MS. */
#define VALIDITY_NS (30 * NS_PER_SECOND)
/* SILENCE_MS: so long unheard while it was sent to, a peer is asked about. */
#define SILENCE_NS (3 * NS_PER_SECOND)
/* Between two questions about a peer, and between two reports of it. */
#define SPACING_UNITS ((__s32)(NS_PER_SECOND >> UNIT_SHIFT))

/* So many datagrams in a row that did not come out of a program like these: the peer has none. */
#define UNWRAPS_PATIENCE 8

/* RFC 4380 section 5.1.2. */
#define TUNNEL_MTU 1280

/* Addresses and ports are in network order, everything else in the machine's. */

struct config {
	__u8 own[16];
	__u32 tunnel;        /* interface index */
	__u32 tunnel_header; /* octets in front of the IPv6 header on the tunnel: 0 for a TUN, 14 where there is Ethernet */
	__u16 port;
	__u8 role;
	__u8 ttl;
};

/* As an uplink's gateway: what the routes say at the moment. 255.255.255.255 is no gateway. */
#define GATEWAY_BY_ROUTE 4294967295

struct uplink {
	__u32 ifindex;
	__u32 source;
	__u32 mtu;
	__u32 finishes; /* 1: what leaves it is cut and has its checksums */
	__u32 gateway;  /* 0: none, peers are on the link */
};

/* 56 bytes: with the hash table's own they fit into 128. */
struct peer {
	__u64 last_rx;
	__u64 last_tx;
	__u64 rx_bytes; /* these four: since the last report */
	__u64 tx_bytes;
	__u32 rx_packets;
	__u32 tx_packets;
	__u32 address;
	__u16 port;
	__u8 uplink;
	__u8 unwraps; /* not 0: its kernel does. Datagrams of other origin in a row until that is no longer believed */
	__u32 last_question;
	__u32 last_report;
};

/* What has been carried of a peer since the last report. */
struct report {
	__u8 peer[16];
	__u64 last_rx;
	__u64 last_tx;
	__u64 rx_bytes;
	__u64 tx_bytes;
	__u32 rx_packets;
	__u32 tx_packets;
};

struct served_key {
	__u32 length;
	__u8 prefix[16];
};

#endif
