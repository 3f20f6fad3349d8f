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
	X(carriedOutBytes)       /* of the IPv6 packets; so the next */                                                \
	X(carriedInBytes)                                                                                              \
	X(carriedNothing)        /* out, with nothing inside: no traffic, but the peer's programs hear of ours */      \
	X(outNoPeer)             /* destination not offered */                                                         \
	X(outNotHeard)           /* its validity has lapsed: CL-60, R-26 */                                            \
	X(outUnproven)           /* the peer has not answered yet what was sent by this path */                        \
	X(outQuestion)           /* the peer is silent although sent to: this path has to be proven again */           \
	X(outSample)             /* left to the socket, so that the host's rules for it are seen to hold */            \
	X(outForeignSource)                                                                                            \
	X(outMalformed)                                                                                                \
	X(outTooBig)                                                                                                   \
	X(outExtension)          /* extension headers, but for fragments with none behind: C-31 */                        \
	X(outUnfinished)         /* the peer might get it uncut or without its checksum, and not be able to take it */ \
	X(outBulk)            /* data in TCP or much in UDP; super-packets of a tunnel are cut here, a socket's not */ \
	X(outUnsummed)           /* its UDP checksum does not follow from its headers, and the peer needs one */       \
	X(outRefused)            /* the kernel cannot wrap this one */                                                 \
	X(inNoPeer)                                                                                                    \
	X(inElsewhere)           /* from another address or port than the peer's, or to another of ours */             \
	X(inNotHeard)                                                                                                  \
	X(inForeignDestination)                                                                                        \
	X(inUnsummed)            /* a checksum outside is wrong: the socket looks at it */                                \
	X(inOtherLength)         /* authentication, origin, trailers, several datagrams as one, or no IPv6 */          \
	X(inBubble)                                                                                                    \
	X(inAdvertisement)       /* of a router: the machine alone believes one, and only its server's */              \
	X(inTestReply)           /* may answer our connectivity test */                                                \
	X(inProofRequest)        /* may ask whether what the peer's kernel path sends reaches the socket here */           \
	X(inProof)               /* has answered what was sent by this path, and ends here */                          \
	X(inSample)              /* left to the socket, so that the host's rules for it are seen to hold */            \
	X(inUnseen)              /* the socket has not received the peer's samples: its path is closed */              \
	X(inExtension)           /* an extension header (C-31), or a fragment of IPv4 */                                  \
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
/* CARRIED_SILENCE_MS: so long unheard while it was sent to, the path to a peer has to be proven again. */
#define SILENCE_NS (2 * NS_PER_SECOND)
/* A time in 32 bits that lies further ahead is one of long ago. */
#define FAR_UNITS 16777216
/* Between two notices about a peer, and between two reports of it. */
#define SPACING_UNITS ((__s32)(NS_PER_SECOND >> UNIT_SHIFT))

/*
 * The host's rules for the socket's datagrams (firewall, marks, accounting) do not see what is carried. So of each peer a packet
 * takes the socket's path now and then, each way: one that does no harm by being late after SAMPLE, any other after SAMPLE_ANY.
 * Inward the peer is carried only while the socket has received one within UNSEEN. Of very many peers samples are taken less often
 * (config.stretch), but as often as makes a rule hold within 15 s: each time has a MOST.
 */
#define SAMPLE_UNITS ((__s32)(4 * NS_PER_SECOND >> UNIT_SHIFT))
#define SAMPLE_ANY_UNITS ((__s32)(6 * NS_PER_SECOND >> UNIT_SHIFT))
#define UNSEEN_UNITS ((__s32)(10 * NS_PER_SECOND >> UNIT_SHIFT))
#define SAMPLE_MOST_UNITS ((__s32)(8 * NS_PER_SECOND >> UNIT_SHIFT))
#define SAMPLE_ANY_MOST_UNITS ((__s32)(10 * NS_PER_SECOND >> UNIT_SHIFT))
#define UNSEEN_MOST_UNITS ((__s32)(14 * NS_PER_SECOND >> UNIT_SHIFT))
/* Times in 16 bits are in units of 2^26 nanoseconds, 67 ms. */
#define LONG_UNIT_SHIFT 26
#define LONG_UNITS(units) ((units) >> (LONG_UNIT_SHIFT - UNIT_SHIFT))

/* How far a peer's packets are carried. */
#define WAY_INWARD 0  /* from the peer only: what goes to it is user space's */
#define WAY_CHECKED 1 /* both ways, with a UDP checksum */
#define WAY_BARE 2    /* both ways, without: the peer has answered such a datagram */
#define WAY_TRIED 3   /* from the peer only, while one segment of TCP to it is out by this path */
#define WAY_MASK 3

/* So many datagrams in a row that did not come out of a program like these: the peer has none. */
#define UNWRAPS_PATIENCE 8

/* How the programs unwrap. */
#define UNWRAP_BY_ONE_CALL 0  /* kernel 6.3 and later */
#define UNWRAP_BY_TWO_CALLS 1 /* before */

/* Octets behind the IPv6 header: of larger UDP packets a socket sends more in the same time, where uplink.cuts. docs/uplinks.md */
#define BULK_UDP 256

/* RFC 4380 section 5.1.2. */
#define TUNNEL_MTU 1280

/* Addresses and ports are in network order, everything else in the machine's. */

struct config {
	__u8 own[16];
	__u32 tunnel;        /* interface index */
	__u32 tunnel_header; /* octets in front of the IPv6 header on the tunnel: 0 for a TUN, 14 where there is Ethernet */
	__u32 stretch;       /* the times of samples are so many times as long, up to their MOST: 1 or more */
	__u32 renewal;       /* units after its latest proof a path in use is proven again: a peer that sends all the time is never silent */
	__u32 mark;          /* of what is to be sent by this path to find out whether it works; the lowest bits are 0, there the way */
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
	__u32 cuts;     /* 1: super-packets of a tunnel are cut for it, a socket's are not: bulk data is left to the socket */
};

/* 64 bytes: with the hash table's own they fit into 128. */
struct peer {
	__u64 last_rx;
	__u64 last_tx;
	__u64 rx_bytes; /* these four: since the last report */
	__u64 tx_bytes;
	__u32 rx_packets; /* taken together with the next */
	__u32 tx_packets;
	__u32 address;
	__u16 port;
	__u8 route;   /* the lower half: number of the uplink; the upper: WAY */
	__u8 history; /* the lower half: not 0, its kernel unwraps; the upper: proofs in a row that failed */
	__u32 last_notice; /* or proof; in the future: not before. Set together with the next */
	__u32 last_report;
	__u32 socket_heard; /* when the socket last received something of it */
	__u16 last_sample_in;
	__u16 last_sample_out;
};

/* The halves of peer.route and peer.history. */
#define ROUTE_UPLINK 15
#define ROUTE_WAY_SHIFT 4
/* Datagrams of other origin in a row until it is no longer believed that the peer's kernel unwraps. */
#define HISTORY_UNWRAPS 15
#define HISTORY_FAILURES_SHIFT 4

/*
 * What user space changes in a peer's entry. The program does it: were the entry written anew, what has been counted since it was read would
 * be lost, or counted twice.
 */
struct amendment {
	__u8 peer[16];
	__u64 last_rx; /* 0: as it is. Not before what is there */
	__u32 socket_heard;
	__u32 last_notice;
	__u8 changes;
	__u8 way;
	__u8 failures;
};

/* Which. */
#define AMEND_SEEN 1 /* socket_heard */
#define AMEND_WAY 2  /* way, failures, last_notice */

/* What a proof sends in an echo request, and the peer sends back: which of the ways has reached it. */
struct proof_data {
	__u8 nonce[7];
	__u8 way;
};

/*
 * A proof under way, by the peer's address. Of a peer that answers no echo request a segment of TCP is the question. It goes by this path once, and
 * is answered by an acknowledgement of all of it, and of nothing that was not sent. It must be new: it is no SYN, begins behind all that has been
 * seen of its connection since the proof began, and no octet of it is sent again. What was sent before it may be: it overtakes packets that
 * wait in the process, so the host often repeats those. A single segment is best: where this path does not reach the peer no more is lost.
 * Some connections have none for a long time: of these a packet of several segments is tried after BULKS of them.
 */
struct proof {
	__u8 nonce[7];
	__u8 answered; /* a bit a way */
	__u8 host[16]; /* the connection: the end that is not the peer, and the ports as packets to the peer have them */
	__u32 ports;
	__u32 seen;    /* the sequence number behind all that was seen; this and the next two in the machine's order */
	__u32 begin;   /* of the segment that is tried, and behind it */
	__u32 end;
	__u32 segment;
	__u32 at;      /* when the connection was last seen, or the segment was sent, in units */
	__u16 bulks;   /* packets of several segments that could have been tried */
	__u16 trials;
};

#define BULKS 16
/* Each may be lost. */
#define TRIALS 4
#define SEGMENT_WANTED 0
#define SEGMENT_SEEN 1 /* something of its connection has gone by the process: what lies behind that is new */
#define SEGMENT_SENT 2
/* A connection that was not seen for so long gives way to another. */
#define QUIET_UNITS ((__s32)(NS_PER_SECOND / 8 >> UNIT_SHIFT))
/* A segment that was not acknowledged for so long gives way to another. */
#define TRIAL_UNITS ((__s32)(NS_PER_SECOND / 2 >> UNIT_SHIFT))

/* Where the frame of an injected packet has the WAY: the last octet of its source address. */
#define INJECTED_WAY 11

/* Something that user space is to do about a peer now. */
#define NOTICE_WANTED 1   /* packets to it could be carried: is the path proven? */
#define NOTICE_ANSWERED 2 /* the proof under way has been answered */
#define NOTICE_SILENT 3   /* the same as WANTED, and the peer has not answered what this path has sent */
struct notice {
	__u8 peer[16];
	__u8 source[16]; /* of the packet that it is about */
	__u32 kind;
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
