import { createHash } from 'node:crypto';
import type { Namespace } from './namespace.ts';
import type { Running } from './process.ts';

/**
 * Pings from inside a namespace, every 200 ms. Returns the round trip (ms) of the first reply, or undefined if none came within
 * `timeoutMs`. While there is no route to the address it tries again.
 */
export async function ping(from: Namespace, address: string, timeoutMs = 5_000): Promise<number | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const left = deadline - performance.now();
    if (left <= 0) return undefined;
    const running = from.spawn('ping', [
      '-n',
      '-i',
      '0.2',
      '-c',
      '1000',
      '-w',
      String(Math.ceil(left / 1000)),
      address,
    ]);
    try {
      const match = await running.waitFor(/time=([\d.]+) ms/, left);
      return Number(match[1]);
    } catch {
      if (!/unreachable|Cannot assign/i.test(running.output)) return undefined; // no reply came
      await new Promise((resolve) => setTimeout(resolve, 100));
    } finally {
      await running.stop();
    }
  }
}

/** Time (ms) from the first ping to the first reply; undefined if none came in time. */
export async function timeToFirstReply(
  from: Namespace,
  address: string,
  timeoutMs = 10_000,
): Promise<number | undefined> {
  const begun = performance.now();
  return (await ping(from, address, timeoutMs)) === undefined ? undefined : performance.now() - begun;
}

/** If two consecutive arrivals are farther apart than this, packets between them were lost. */
const LOST_MS = 700;
/** After this many consecutive packets without loss the traffic counts as flowing. */
const FLOWING = 8;

/**
 * Sends a packet every 200 ms, until disposal, to the address that `target` returns at that time. Without `to` the packets are pings,
 * and the replies count. With `to`, the host of the target, they are UDP datagrams without answers, and the arrivals count.
 */
export class Flow {
  private readonly from: Namespace;
  private readonly target: () => string | undefined;
  private readonly receiver: Running | undefined;
  private port = '';
  private address: string | undefined;
  private running: Running | undefined;
  /** Time of each reply or arrival, by `Date.now()`. */
  private readonly arrivals: number[] = [];

  private constructor(from: Namespace, target: () => string | undefined, to: Namespace | undefined) {
    this.from = from;
    this.target = target;
    this.receiver = to?.spawn(process.execPath, ['-e', DATAGRAM_RECEIVER]);
  }

  /** Resolves when packets arrive without loss. */
  static async start(from: Namespace, target: () => string | undefined, to?: Namespace): Promise<Flow> {
    const flow = new Flow(from, target, to);
    try {
      if (flow.receiver !== undefined) {
        [, flow.port = ''] = await flow.receiver.waitFor(/port (\d+)/);
        flow.note(flow.receiver, () => true);
      }
      if ((await flow.found(Date.now())) === undefined) throw new Error(`nothing arrives at ${target()}`);
      return flow;
    } catch (error) {
      await flow[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Time (ms) from `since` to the first arrival after which none is lost; undefined: not within `timeoutMs`. */
  async found(since: number, timeoutMs = 20_000): Promise<number | undefined> {
    for (;;) {
      this.aim();
      const late = this.arrivals.filter((at) => at > since);
      const begun = late.findIndex((_, i) => isUnbroken(late.slice(i, i + FLOWING)));
      if (begun >= 0) return late[begun]! - since;
      if (Date.now() - since > timeoutMs) return undefined;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.running?.stop(), this.receiver?.stop()]);
  }

  private aim(): void {
    const address = this.target();
    if (address === undefined || (address === this.address && this.running?.running === true)) return;
    void this.running?.stop();
    this.address = address;
    if (this.receiver !== undefined) {
      this.running = this.from.spawn(process.execPath, ['-e', DATAGRAM_SENDER, address, this.port]);
      return;
    }
    const running = this.from.spawn('ping', ['-n', '-D', '-i', '0.2', address]);
    this.running = running;
    this.note(running, () => this.running === running); // ignore replies from an earlier address
  }

  private note(program: Running, isMeant: () => boolean): void {
    program.child.stdout!.on('data', (text: string) => {
      if (!isMeant()) return;
      for (const [, seconds] of text.matchAll(/^\[([\d.]+)\].*(?: time=|arrived)/gm))
        this.arrivals.push(1_000 * Number(seconds));
    });
  }
}

function isUnbroken(arrivals: readonly number[]): boolean {
  return arrivals.length === FLOWING && arrivals.every((at, i) => i === 0 || at - arrivals[i - 1]! < LOST_MS);
}

const DATAGRAM_RECEIVER = `
  const socket = require('dgram').createSocket('udp6');
  socket.on('message', () => console.log('[' + Date.now() / 1000 + '] arrived'));
  socket.bind(0, '::', () => console.log('port ' + socket.address().port));`;

/** Unlike ping it continues while there is no route. */
const DATAGRAM_SENDER = `
  const socket = require('dgram').createSocket('udp6');
  setInterval(() => socket.send('one way', +process.argv[2], process.argv[1], () => {}), 200);`;

export interface Transfer {
  readonly bytes: number;
  readonly seconds: number;
  /** Whether the receiver got exactly the bytes sent. */
  readonly whole: boolean;
}

/**
 * Sends bytes over TCP from one namespace to an address in another, which listens on a free port. `meanwhile`: called with the
 * sender when it sends; then at least this many bytes are sent, and sending continues until its promise resolves.
 */
export async function transfer(
  from: Namespace,
  to: Namespace,
  address: string,
  bytes: number,
  timeoutMs = 60_000,
  meanwhile?: (sender: Running) => Promise<void>,
): Promise<Transfer> {
  const receiver = to.spawn(process.execPath, ['-e', RECEIVER]);
  try {
    const [, port] = await receiver.waitFor(/port (\d+)/);
    const sender = from.spawn(process.execPath, [
      '-e',
      SENDER,
      address,
      port!,
      String(bytes),
      meanwhile === undefined ? 'all' : 'hold',
    ]);
    try {
      if (meanwhile !== undefined) {
        await receiver.waitFor(/begun/);
        await meanwhile(sender);
        sender.kill('SIGUSR2');
      }
      const match = await receiver.waitFor(/got (\d+) bytes in ([\d.]+) s, (\w+)/, timeoutMs);
      const [, sent] = await sender.waitFor(/sent (\d+)/);
      return {
        bytes: Number(match[1]),
        seconds: Number(match[2]),
        whole: match[1] === sent && Number(sent) >= bytes && match[3] === expectedHash(Number(sent)),
      };
    } finally {
      await sender.stop();
    }
  } finally {
    await receiver.stop();
  }
}

/** The data repeats every 1,048,573 bytes. That is a prime, so a lost or duplicated segment is detected. */
const PATTERN = 1_048_573;

function expectedHash(bytes: number): string {
  const pattern = makePattern();
  const hash = createHash('sha256');
  for (let sent = 0; sent < bytes; sent += PATTERN)
    hash.update(pattern.subarray(0, Math.min(PATTERN, bytes - sent)));
  return hash.digest('hex');
}

function makePattern(): Buffer {
  const pattern = Buffer.alloc(PATTERN);
  for (let i = 0, x = 1; i < PATTERN; i++) {
    x = (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
    pattern[i] = x >>> 16;
  }
  return pattern;
}

const RECEIVER = `
  const hash = require('crypto').createHash('sha256'); let got = 0, begun;
  const server = require('net').createServer((socket) => {
    begun = performance.now();
    console.log('begun');
    socket.on('data', (chunk) => { got += chunk.length; hash.update(chunk); });
    socket.on('error', (error) => console.log('error ' + error.message));
    socket.on('end', () => {
      const seconds = (performance.now() - begun) / 1000;
      socket.end(); server.close();
      console.log('got ' + got + ' bytes in ' + seconds.toFixed(6) + ' s, ' + hash.digest('hex'));
    });
  });
  server.listen(0, '::', () => console.log('port ' + server.address().port));`;

const SENDER = `
  const [address, port, total] = [process.argv[1], +process.argv[2], +process.argv[3]];
  let held = process.argv[4] === 'hold', tenths = 0;
  process.on('SIGUSR2', () => { held = false; });
  const size = ${PATTERN}, pattern = Buffer.alloc(size);
  for (let i = 0, x = 1; i < size; i++) { x = (Math.imul(x, 1103515245) + 12345) >>> 0; pattern[i] = x >>> 16; }
  const socket = require('net').connect(port, address, () => {
    let sent = 0;
    (function more() {
      while (sent < total || held) {
        const chunk = held ? pattern : pattern.subarray(0, Math.min(size, total - sent));
        sent += chunk.length;
        if (sent > tenths * total / 10) console.log('tenth ' + tenths++);
        if (!socket.write(chunk)) return socket.once('drain', more);
      }
      console.log('sent ' + sent);
      socket.end();
    })();
  });
  socket.on('error', (error) => { console.error(error.message); process.exit(1); });`;
