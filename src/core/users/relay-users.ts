import type { Entropy } from '../entropy.ts';
import type { PeerTraffic } from '../peer-traffic.ts';
import { DESTINATION, SOURCE, readUint32 } from '../../wire/index.ts';
import { heavyUsers } from './heavy-users.ts';
import type { HeavyUsers } from './heavy-users.ts';
import { OCTETS_PER_TALLY } from './tallies.ts';
import { KEY_WORDS } from './summary.ts';
import { UserWindows } from './windows.ts';
import type { UserWindow } from './windows.ts';

/** The octets of a run of packets are counted at its end, or after this time. */
const RUN_MS = 1_000;
/** The kernel path reports the last packets of a client that falls silent when the client is forgotten. */
const LATE_MS = 60_000;
/** The first word of all Teredo addresses, 2001::/32. */
const TEREDO = 0x2001_0000;

/** The clients of a relay, and the /64 prefixes of native hosts, with the most traffic. Memory is constant: at most 1.1 MB. */
export class RelayUsers {
  private readonly peers: UserWindows;
  private readonly prefixes: UserWindows;
  /** Most packets are between the same two users as the packet before: they are a run, and are counted at once. */
  private readonly peer = new Uint32Array(KEY_WORDS);
  private readonly prefix = new Uint32Array(KEY_WORDS);
  private fromPeer = 0;
  private toPeer = 0;
  private runBegin = 0;

  constructor(entropy: Entropy) {
    this.peers = new UserWindows(entropy);
    this.prefixes = new UserWindows(entropy);
  }

  /** A packet from a client, with its header at `buffer[at]`. */
  received(buffer: Uint8Array, at: number, octets: number, now: number): void {
    this.follow(buffer, at + SOURCE, at + DESTINATION, now);
    this.fromPeer += octets;
  }

  /** A packet to a client, with its header at `buffer[at]`. */
  sent(buffer: Uint8Array, at: number, octets: number, now: number): void {
    this.follow(buffer, at + DESTINATION, at + SOURCE, now);
    this.toPeer += octets;
  }

  /** The kernel path has carried packets of the client whose address is at `buffer[at]`, the last one `ago` ms before `now`. */
  carried(
    buffer: Uint8Array,
    at: number,
    { receivedBytes, sentBytes }: PeerTraffic,
    ago: number,
    now: number,
  ): void {
    if (receivedBytes + sentBytes === 0) return; // a sign of life only
    this.endRun();
    setAddress(key, buffer, at);
    if (ago < LATE_MS) this.peers.add(key, receivedBytes, sentBytes, now);
    else this.peers.addLate(key, receivedBytes, sentBytes, now);
  }

  /** The kernel path has made so many tallies of packets from and to the /64 prefix at `buffer[at]`. */
  tallied(buffer: Uint8Array, at: number, received: number, sent: number, now: number): void {
    this.endRun();
    setPrefix(key, buffer, at);
    this.prefixes.addEstimated(key, received * OCTETS_PER_TALLY, sent * OCTETS_PER_TALLY, now);
  }

  /** The users of a window: at most `most` clients, and as many prefixes. */
  over(window: UserWindow, most: number, now: number): HeavyUsers {
    this.endRun();
    return heavyUsers(this.peers.over(window, now), this.prefixes.over(window, now), most);
  }

  private follow(buffer: Uint8Array, peerAt: number, nativeAt: number, now: number): void {
    const { peer, prefix } = this;
    const isSame =
      peer[3] === readUint32(buffer, peerAt + 12) &&
      peer[2] === readUint32(buffer, peerAt + 8) &&
      peer[1] === readUint32(buffer, peerAt + 4) &&
      prefix[1] === readUint32(buffer, nativeAt + 4) &&
      prefix[0] === readUint32(buffer, nativeAt);
    if (isSame && now - this.runBegin < RUN_MS) return;
    this.endRun();
    setAddress(peer, buffer, peerAt);
    setPrefix(prefix, buffer, nativeAt);
    this.runBegin = now;
  }

  private endRun(): void {
    const { peer, prefix, fromPeer, toPeer, runBegin } = this;
    if (fromPeer + toPeer === 0) return;
    this.peers.add(peer, fromPeer, toPeer, runBegin);
    // Two clients that meet through this relay have no native host.
    if (prefix[0] !== TEREDO) this.prefixes.add(prefix, toPeer, fromPeer, runBegin);
    this.fromPeer = this.toPeer = 0;
  }
}

const key = new Uint32Array(KEY_WORDS);

function setAddress(target: Uint32Array, buffer: Uint8Array, at: number): void {
  setPrefix(target, buffer, at);
  target[2] = readUint32(buffer, at + 8);
  target[3] = readUint32(buffer, at + 12);
}

/** A prefix is a key whose other words are 0. */
function setPrefix(target: Uint32Array, buffer: Uint8Array, at: number): void {
  target[0] = readUint32(buffer, at);
  target[1] = readUint32(buffer, at + 4);
  target[2] = target[3] = 0;
}
