/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The definitions on which both sides of the kernel path must agree. src/linux/bpf/layout.ts repeats them in TypeScript;
 * src/linux/bpf/layout.test.ts compares the two.
 */
#ifndef TEREDO_H
#define TEREDO_H

/*
 * Outcomes of packets, in the order of the counters' array. Out: the host's packets into the tunnel; in: datagrams to the service port.
 * Packets that are not carried go to user space, except inEcnDropped.
 */
#define COUNTERS(X)                                                                                                              \
	X(carriedOut)            /* packets carried */                                                                           \
	X(carriedIn)                                                                                                             \
	X(carriedOutBytes)       /* sizes of the IPv6 packets; so the next */                                                    \
	X(carriedInBytes)                                                                                                        \
	X(carriedNothing)        /* out, an empty packet: no traffic, but it shows the peer's programs that this host unwraps */ \
	X(outNoPeer)             /* destination not offered */                                                                   \
	X(outNotHeard)           /* its validity has lapsed: CL-60, R-26 */                                                      \
	X(outUnproven)           /* the peer has not yet answered a packet sent by this path */                                  \
	X(outQuestion)           /* the peer is silent although sent to: a new proof is needed */                                \
	X(outSample)             /* left to the socket, so that the host's rules for it take effect */                           \
	X(outForeignSource)                                                                                                      \
	X(outMalformed)                                                                                                          \
	X(outTooBig)                                                                                                             \
	X(outExtension)          /* extension headers, except fragments with none after: C-31 */                                 \
	X(outUnfinished)         /* the peer could get it unsegmented or without its checksum, and be unable to use it */        \
	X(outBulk)            /* data in TCP or much in UDP; super-packets of a tunnel are cut here, a socket's not */           \
	X(outUnsummed)           /* its UDP checksum does not follow from its headers, and the peer needs one */                 \
	X(outRefused)            /* the kernel cannot wrap this one */                                                           \
	X(inNoPeer)                                                                                                              \
	X(inElsewhere)           /* from another address or port than the peer's, or to another local one */                     \
	X(inNotHeard)                                                                                                            \
	X(inForeignDestination)                                                                                                  \
	X(inUnsummed)            /* a wrong outer checksum: the socket decides */                                                \
	X(inOtherLength)         /* authentication, origin, trailers, several datagrams as one, or no IPv6 */                    \
	X(inBubble)                                                                                                              \
	X(inAdvertisement)       /* of a router: only the machine can decide, which trusts its server's */                       \
	X(inTestReply)           /* may answer a connectivity test of this host */                                               \
	X(inProofRequest)        /* may be a proof of the peer's kernel path, which the socket here has to answer */             \
	X(inProof)               /* an answer to a proof of this path; ends here */                                              \
	X(inSample)              /* left to the socket, so that the host's rules for it take effect */                           \
	X(inUnseen)              /* the peer's samples do not reach the socket: its path is closed */                            \
	X(inExtension)           /* an extension header (C-31), or a fragment of IPv4 */                                         \
	X(inEcnDropped)          /* congestion of which the sender cannot be informed: N-8 */                                    \
	X(inRefused)             /* the kernel cannot unwrap this one */                                                         \
	X(reportsLate)           /* no room in the ring of reports; the next packet tries again */                               \
	X(talliesLost)           /* of native prefixes: there were too many prefixes at once */                                  \
	X(inDriver)              /* those of carriedIn that were unwrapped in a driver */                                        \
	X(inMerging)             /* those of carriedIn that went through the merging pair */

/* The most interfaces by which peers are reached. */
#define MAX_UPLINKS 16
/* The most interfaces at which datagrams of peers are looked for. */
#define MAX_ARRIVALS 16

#define ROLE_NONE 0
/* The role with one own address, in `own`. */
#define ROLE_CLIENT 1
/* The role whose own addresses are all in `served`, except Teredo ones. */
#define ROLE_RELAY 2

/*
 * Times of CLOCK_MONOTONIC: in 64 bits nanoseconds, in 32 bits units of 2^20 of them, 1.05 ms, which wrap round after 52 days. The clock of
 * the programs (bpf_ktime_get_coarse_ns) has steps of 1 to 10 ms.
 */
#define UNIT_SHIFT 20
#define NS_PER_SECOND 1000000000ULL
/* PEER_VALIDITY_MS, less the unit by which the difference of two times may be too small. */
#define VALIDITY_UNITS ((__s32)(30 * NS_PER_SECOND >> UNIT_SHIFT) - 1)
/* CARRIED_SILENCE_MS: after this time without an answer to packets the path to a peer has to be proven again. */
#define SILENCE_UNITS ((__s32)(2 * NS_PER_SECOND >> UNIT_SHIFT))
/* A time in 32 bits that seems further in the future than this is one of long ago. */
#define FAR_UNITS 16777216
/* An older time is kept as one of so long ago, 13 days, which is far from coming round. */
#define OLDEST_UNITS 1073741824
/* The least time between two notices about a peer. */
#define SPACING_UNITS ((__s32)(NS_PER_SECOND >> UNIT_SHIFT))

/*
 * The host's rules for the socket's datagrams (firewall, marks, accounting) do not see carried packets. So, in each direction, some packets
 * of each peer take the socket's path: after SAMPLE one that may be late without harm, after SAMPLE_ANY any other. Inward, the peer is
 * carried only while the socket has received a sample within UNSEEN. With very many peers samples are less frequent (config.stretch), but
 * frequent enough for a rule to take effect within 15 s: each time has an upper limit, its MOST.
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

/* Local ports in one entry of `ports`. */
#define PORTS_SHIFT 6
#define PORT_WORDS (65536 >> PORTS_SHIFT)

/* How far a peer's packets are carried. */
#define WAY_INWARD 0  /* from the peer only; user space sends to it */
#define WAY_CHECKED 1 /* both ways, with a UDP checksum */
#define WAY_BARE 2    /* both ways, without one: the peer has answered such a datagram */
#define WAY_TRIED 3   /* from the peer only, while one TCP segment to it is sent by this path as a proof */
#define WAY_MASK 3

/* After this number of datagrams in a row that were not sent by a program like these, the peer is assumed to have none. */
#define UNWRAPS_PATIENCE 8

/* How the programs unwrap. */
#define UNWRAP_BY_ONE_CALL 0  /* kernel 6.3 and later */
#define UNWRAP_BY_TWO_CALLS 1 /* earlier kernels */

/* Octets after the IPv6 header. A socket is faster with larger UDP packets if uplink.cuts is set. docs/uplinks.md */
#define BULK_UDP 256

/* RFC 4380 section 5.1.2. */
#define TUNNEL_MTU 1280

/* The most queues of the pair of interfaces in which segments are merged (merging.h). One for each processor, or several share one. */
#define MAX_PAIR_QUEUES 64

/* Addresses and ports are in network order, everything else in the machine's. */

struct config {
	__u8 own[16];
	__u32 tunnel;        /* interface index */
	__u32 tunnel_header; /* octets in front of the IPv6 header on the tunnel: 0 for a TUN, 14 where there is Ethernet */
	__u32 stretch;       /* factor for the times of samples, up to their MOST: 1 or more */
	__u32 renewal;       /* units after its latest proof a path in use is proven again: a peer that sends all the time is never silent */
	__u32 mark;          /* of echo requests for proofs; its lowest bits are 0 and take the way */
	__u8 role;
	__u8 ttl;
	__u32 reporting; /* units between two reports about a peer: more with very many peers */
	__u16 pair_address[2]; /* the beginning of the Ethernet address of the pair's first end */
};

/* A gateway with this value means: ask the routes for each packet. 255.255.255.255 is never a gateway. */
#define GATEWAY_BY_ROUTE 4294967295

struct uplink {
	__u32 ifindex;
	__u32 source;
	__u32 mtu;
	__u32 finishes; /* 1: packets leave it segmented and with their checksums */
	__u32 gateway;  /* 0: none, peers are on the link */
	__u32 is_bare;  /* 1: its packets have no link header, and all go to the same other end */
	__u32 cuts;     /* 1: a tunnel's super-packets are cut for it, a socket's are not: the socket sends bulk data */
	__u32 pair;     /* interface index of the first end of the pair; 0: segments of its peers are not merged */
	__u32 pair_queues; /* the number of the pair's queues */
	__u32 pair_ends; /* 1: only packets that may not overtake earlier ones are sent into the pair */
	__u32 last_super; /* when a super-packet of TCP came from one of its peers, in units */
};

/* An interface in whose driver datagrams are unwrapped, by its index. */
struct driver {
	__u8 address[6];  /* of Ethernet */
	__u16 is_virtual; /* 1: packets come as another host has left them, some with checksums that are still to be made */
};

/* Packets in one queue of the pair. */
struct pair_queue {
	__u32 sent;
	__u32 arrived;    /* packets that have left it at the second end; of a merged one, its segments */
	__u32 sent_at;    /* when the first of those that wait was sent, in units */
	__u32 arrived_at; /* when the latest has left it */
	__u32 full;       /* packets for which there was no room */
	__u32 look;       /* the number of the look of user space to which the next belongs */
	__u32 least;      /* the least number that waited after one has left the pair, since that look */
	__u32 unused[9];  /* no two processors write to the same line of the cache */
};

/* A look of user space at a queue of the pair. */
struct pair_look {
	__u32 number; /* from 1 on */
	__u32 lost;   /* of those sent, packets that never leave the pair */
};

/* 56 bytes; with the hash table's own data 120, and 128 since kernel 6.1. One byte more takes 64 for each peer. docs/adr/0031 */
struct peer {
	__u32 last_rx;
	__u32 last_tx; /* before the first packet: last_rx of that time */
	__u64 rx_bytes; /* these four: since the latest report */
	__u64 tx_bytes;
	__u32 rx_packets; /* read and cleared together with the next */
	__u32 tx_packets;
	__u32 address;
	__u16 port;
	__u8 route;   /* lower half: number of the uplink; upper half: WAY */
	__u8 history; /* lower half: not 0 if its kernel unwraps; upper half: failed proofs in a row */
	__u32 last_notice; /* or proof; if in the future: no notice before. Set together with the next */
	__u32 last_report;
	__u16 socket_heard; /* when the socket last received something from it: at most UNSEEN_MOST before last_rx */
	__u16 local_port;   /* of that socket */
	__u16 last_sample_in;
	__u16 last_sample_out;
};

/* The halves of peer.route and peer.history. */
#define ROUTE_UPLINK 15
#define ROUTE_WAY_SHIFT 4
/* After this number of datagrams in a row from another kind of sender, the peer's kernel is no longer assumed to unwrap. */
#define HISTORY_UNWRAPS 15
#define HISTORY_FAILURES_SHIFT 4

/*
 * Changes that user space makes in a peer's entry. The program `amend` carries them out: if user space rewrote the entry, packets counted
 * since it was read would be lost, or counted twice.
 */
struct amendment {
	__u8 peer[16];
	__u64 last_rx; /* nanoseconds, 0: unchanged. Never set back */
	__u32 last_notice;
	__u16 socket_heard;
	__u8 changes;
	__u8 way;
	__u8 failures;
};

/* A peer that the kernel may carry, and the result. The program `offer` adds those it does not know, inward only, or notes the times. */
struct offer {
	__u8 peer[16];
	__u64 last_rx; /* nanoseconds, 0: not known */
	__u32 address;
	__u16 port;
	__u16 local_port;
	__u16 socket_heard;
	__u8 uplink;
	__u8 result;
};

#define OFFER_KNOWN 0
#define OFFER_ADDED 1
#define OFFER_ELSEWHERE 2 /* known at another address, port, local port or uplink: not changed */
#define OFFER_REFUSED 3   /* no room */
/* The offers in one frame: it fits into a page. */
#define MOST_OFFERS 64
/* So long ago is longer than any time between two notices, two reports, or two samples. */
#define LONG_AGO_UNITS 10000

/* Flags of the fields that are set. */
#define AMEND_SEEN 1 /* socket_heard */
#define AMEND_WAY 2  /* way, failures, last_notice */

/* The content of a proof's echo request, which the peer sends back: the nonce, and the way that the request took. */
struct proof_data {
	__u8 nonce[7];
	__u8 way;
};

/*
 * A proof under way, by the peer's address. For a peer that answers no echo request, a TCP segment serves as one. It goes by this path
 * once, and proves it by an acknowledgement of all of it, and of nothing that was not sent. The segment must be new: not a SYN, after
 * everything seen of its connection since the proof began, and with no octet that is sent again. Segments from before the proof may be sent
 * again: this one overtakes packets that wait in the process, so the host often repeats those. A single segment is best: if this path does
 * not reach the peer, only that one is lost. Some connections send no single one for a long time; then a packet of several segments is
 * used, after BULKS of them.
 */
struct proof {
	__u8 nonce[7];
	__u8 answered; /* a bit for each way */
	__u8 host[16]; /* the connection: the address of this host's end, and the ports in the order of packets to the peer */
	__u32 ports;
	__u32 seen;    /* the sequence number after all that was seen; this and the next two in the machine's order */
	__u32 begin;   /* sequence numbers at the beginning of the tried segment, and after it */
	__u32 end;
	__u32 segment;
	__u32 at;      /* when the connection was last seen, or the segment was sent, in units */
	__u16 bulks;   /* packets of several segments that could have been tried */
	__u16 trials;
};

#define BULKS 16
/* The trials of one proof: each may be lost. */
#define TRIALS 4
#define SEGMENT_WANTED 0
#define SEGMENT_SEEN 1 /* a segment of its connection has gone by the process: later ones are new */
#define SEGMENT_SENT 2
/* After this time without a segment, a connection is replaced by another. */
#define QUIET_UNITS ((__s32)(NS_PER_SECOND / 8 >> UNIT_SHIFT))
/* After this time without an acknowledgement, another segment is tried. */
#define TRIAL_UNITS ((__s32)(NS_PER_SECOND / 2 >> UNIT_SHIFT))

/* Offset of the WAY in the frame of an injected packet: the last octet of its source address. */
#define INJECTED_WAY 11

/* Notices: user space has to act on a peer now. */
#define NOTICE_WANTED 1   /* packets to it could be carried: is the path proven? */
#define NOTICE_ANSWERED 2 /* the proof under way has been answered */
#define NOTICE_SILENT 3   /* like WANTED, and the peer has not answered packets of this path */
struct notice {
	__u8 peer[16];
	__u8 source[16]; /* source of the packet that caused it */
	__u32 kind;
};

/* Packets of a peer that were carried since the latest report. */
struct report {
	__u8 peer[16];
	__u64 last_rx; /* nanoseconds */
	__u64 last_tx;
	__u64 rx_bytes;
	__u64 tx_bytes;
	__u32 rx_packets;
	__u32 tx_packets;
};

/*
 * Tallies of native prefixes, by the first 64 bits of the address: one for each TALLY_OCTETS of all prefixes on average. So a tally stands
 * for that many octets.
 */
#define TALLY_OCTETS 65536
/* The most prefixes whose tallies wait for user space. */
#define MAX_PREFIXES 4096

struct prefix_tallies {
	__u32 received; /* from the prefix */
	__u32 sent;     /* to it */
};

struct served_key {
	__u32 length;
	__u8 prefix[16];
};

#endif
