/** One of the threads that send the crowd's packets: it gets tasks as messages, and answers each with the number of packets it sent. */
import { parentPort, workerData } from 'node:worker_threads';
import { measureBursts } from './crowd-bursts.ts';
import type { Bursts } from './crowd-bursts.ts';
import { AT_CLIENTS, AT_NATIVE, LANES, arrivalCounter, rest } from './crowd-counter.ts';
import type { ArrivalMaps } from './crowd-counter.ts';
import { BURST, openSender } from './crowd-packets.ts';
import type { PacketSender, Way } from './crowd-packets.ts';

/** The native host sends one packet to each client in [from, to), which the relay does not know yet, for this many seconds at most. */
export interface Meeting {
  readonly kind: 'meet';
  readonly from: number;
  readonly to: number;
  readonly seconds: number;
}

/** Packets of these clients in turn. */
export interface Load {
  readonly kind: 'load';
  readonly way: Way;
  readonly clients: number;
  readonly size: number;
  /** Of all threads together; 0: as many as possible. */
  readonly perSecond: number;
  readonly seconds: number;
}

/** A task of one thread: the `nth` of `of`, which share the clients. */
export type Share = (Meeting | Load | Bursts) & Place & { readonly nth: number; readonly of: number };

/** The host at the other end of all packets. */
export interface Place {
  readonly host: string;
}

export interface Sent {
  readonly sent: number;
  /** Seconds; of a meeting until the last arrival. */
  readonly took: number;
}

/** The most packets of all threads under way: fewer than a tunnel's queue holds, so that none is lost there. */
const WINDOW = 256;
/** After this time without an arrival, the packets under way are lost. */
const PATIENCE_MS = 100;
/**
 * The step from client to client, so that memory is not accessed in order. It has no divisor in common with a power of ten, so it reaches
 * all clients.
 */
const STRIDE = 618_970_019;

const { arrivals } = workerData as { readonly arrivals: ArrivalMaps };
const senders = new Map<string, PacketSender>();

parentPort!.on('message', (share: Share) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort!.postMessage(perform(share));
});

function perform(share: Share): Sent {
  if (share.kind === 'meet') return meet(share);
  return share.kind === 'load' ? load(share) : burst(share);
}

function meet({ from, to, seconds, nth, of, host }: Meeting & Share): Sent {
  const sender = senderOf('down', 128, host);
  const lanes = [...Array(LANES).keys()].filter((lane) => lane % of === nth);
  const { count } = arrivalCounter(arrivals, AT_CLIENTS, lanes);
  const [begun, before] = [performance.now(), count()];
  // `of` divides the number of lanes, so a client's lane tells its thread.
  let next = from + ((nth - (from % of) + of) % of);
  let [sent, arrived, lost, last, progress] = [0, 0, 0, begun, begun];
  for (let now = begun; now - begun < seconds * 1_000; now = performance.now()) {
    const seen = count() - before;
    if (seen !== arrived) [arrived, last, progress] = [seen, now, now];
    if (now - progress > PATIENCE_MS) [lost, progress] = [sent - arrived, now];
    const underWay = Math.max(0, sent - arrived - lost); // packets counted as lost may still arrive
    if (next >= to && underWay === 0) break;
    if (next >= to || underWay + BURST > WINDOW / of) {
      rest();
      continue;
    }
    for (let i = 0; i < BURST && next < to; i++, next += of, sent++) sender.add(next);
    sender.flush();
  }
  return { sent, took: (last - begun) / 1_000 };
}

function load({ way, clients, size, perSecond, seconds, nth, of, host }: Load & Share): Sent {
  const sendSome = inTurn(senderOf(way, size, host), clients, nth % clients);
  const begun = performance.now();
  let sent = 0;
  for (let ms = 0; ms < seconds * 1_000; ms = performance.now() - begun) {
    if (perSecond > 0 && sent > (ms / 1_000) * (perSecond / of)) {
      rest();
      continue;
    }
    sendSome();
    sent += BURST;
  }
  return { sent, took: (performance.now() - begun) / 1_000 };
}

function burst(bursts: Bursts & Share): Sent {
  const { way, clients, size, host } = bursts;
  const sendSome = inTurn(senderOf(way, size, host), clients, 0);
  return measureBursts(bursts, sendSome, arrivalCounter(arrivals, way === 'up' ? AT_NATIVE : AT_CLIENTS));
}

/** Sends {@link BURST} packets, each of another client. */
function inTurn(sender: PacketSender, clients: number, first: number): () => void {
  let at = first;
  return () => {
    for (let i = 0; i < BURST; i++) {
      sender.add(at);
      at = (at + STRIDE) % clients;
    }
    sender.flush();
  };
}

function senderOf(way: Way, size: number, host: string): PacketSender {
  const key = `${way} ${size} ${host}`;
  const sender = senders.get(key) ?? openSender(way, size, host);
  senders.set(key, sender);
  return sender;
}
