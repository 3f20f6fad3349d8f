/**
 * Plays a crowd of Teredo clients and a native host in one namespace. Arguments: the object of crowd.bpf.c, then
 *
 *     meet FROM TO SECONDS   the native host sends one packet to each of these clients, which the relay does not know yet
 *     down COUNT SECONDS     as many packets as possible, to this many clients in turn
 *     up COUNT SECONDS       the same from the clients
 *
 * Prints, as JSON, how many packets were sent and arrived, and the seconds (for `meet`: until the last one arrived).
 */
import { readFileSync } from 'node:fs';
import { attach } from '../src/linux/bpf/attachment.ts';
import { check, libbpf } from '../src/linux/bpf/libbpf.ts';
import { Memory } from '../src/linux/libc.ts';
import { BURST, openDown, openUp } from './crowd-packets.ts';
import type { PacketSender } from './crowd-packets.ts';

export interface Crossing {
  readonly sent: number;
  readonly arrived: number;
  readonly seconds: number;
}

/** The most packets under way: fewer than a tunnel's queue holds, so that none is lost there. */
const WINDOW = 256;
/** After this time without an arrival, the packets under way are lost. */
const PATIENCE_MS = 100;
/**
 * The step from client to client, so that memory is not accessed in order. It has no divisor in common with a power of ten, so it reaches
 * all clients.
 */
const STRIDE = 618_970_019;
const HANDLE = 1;

const [object, task, ...numbers] = process.argv.slice(2);
const [first = 0, second = 0, third = 0] = numbers.map(Number);
const tasks: Readonly<Record<string, () => Crossing>> = {
  meet: () => oneByOne(openDown(), counter(0), first, second, third),
  down: () => freely(openDown(), counter(0), first, second),
  up: () => freely(openUp(), counter(1), first, second),
};
const arrivals = watch(object!);
process.stdout.write(`${JSON.stringify(tasks[task!]!())}\n`);
process.exit(0); // detaches the programs, too

/** Sends one packet to each client, with at most {@link WINDOW} of them under way, for at most `most` seconds. */
function oneByOne(
  sender: PacketSender,
  count: () => number,
  from: number,
  to: number,
  most: number,
): Crossing {
  const begun = performance.now();
  let [sent, arrived, lost, last, progress] = [0, 0, 0, begun, begun];
  for (let now = begun; now - begun < most * 1_000; now = performance.now()) {
    const seen = count();
    if (seen !== arrived) [arrived, last, progress] = [seen, now, now];
    if (now - progress > PATIENCE_MS) [lost, progress] = [sent - arrived, now];
    const left = to - from - sent;
    const underWay = Math.max(0, sent - arrived - lost); // packets counted as lost may still arrive
    if (left === 0 && underWay === 0) break;
    if (left === 0 || underWay + BURST > WINDOW) {
      rest();
      continue;
    }
    for (let i = Math.min(BURST, left); i > 0; i--) sender.add(from + sent++);
    sender.flush();
  }
  return { sent, arrived, seconds: (last - begun) / 1_000 };
}

/** Sends as fast as possible. */
function freely(sender: PacketSender, count: () => number, clients: number, seconds: number): Crossing {
  const begun = performance.now();
  let [sent, at] = [0, 0];
  while (performance.now() - begun < seconds * 1_000) {
    for (let i = 0; i < BURST; i++) {
      sender.add(at);
      at = (at + STRIDE) % clients;
    }
    sender.flush();
    sent += BURST;
  }
  const took = (performance.now() - begun) / 1_000;
  let arrived = -1;
  for (let now = count(); now !== arrived; now = count()) {
    arrived = now; // waits for packets that are still under way
    for (let i = 0; i < 500; i++) rest();
  }
  return { sent, arrived, seconds: took };
}

/** Leaves the processor to other processes. */
function rest(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0.2);
}

/** Loads and attaches the programs; returns the table of arrivals. */
function watch(path: string): number {
  const lib = libbpf();
  const loaded = lib.openFile(path, 0);
  if (loaded === 0) throw new Error(`${path} cannot be opened`);
  check('bpf_object__load', lib.load(loaded));
  for (const [program, name] of [
    ['clients', 'wan'],
    ['native', 'v6'],
  ] as const) {
    const ifindex = Number(readFileSync(`/sys/class/net/${name}/ifindex`, 'utf8'));
    attach(check(program, lib.programFd(lib.findProgram(loaded, program))), ifindex, 'ingress', HANDLE);
  }
  return check('arrived', lib.mapFd(lib.findMap(loaded, 'arrived')));
}

/** Number of packets that arrived at the clients (0) or at the native host (1). */
function counter(where: number): () => number {
  const lib = libbpf();
  const [key, value] = [new Memory(4), new Memory(8)];
  key.view.setUint32(0, where, true);
  return () => {
    check('bpf_map_lookup_elem', lib.lookup(arrivals, key.address, value.address));
    return Number(value.view.getBigUint64(0, true));
  };
}
