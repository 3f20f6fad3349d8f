/** The time to the first answer between a client and a native host that have not communicated before. */
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, ping } from '../src/lab/index.ts';
import type { Namespace, Running, Site } from '../src/lab/index.ts';
import { setLinks } from './links.ts';
import { firstReply } from './result/names.ts';
import { alternate } from './row.ts';
import type { Row } from './row.ts';
import { TEREDO_VARIANTS } from './seats.ts';
import type { TeredoVariant } from './seats.ts';
import { Together } from './together.ts';
import { startClient, startRelay, startServer } from './variants.ts';

const SPACING_MS = 200;

export const firstReplies: Row = async (order) => {
  await using all = new Together();
  const labs = new Map<TeredoVariant, FirstContacts>();
  for (const variant of TEREDO_VARIANTS) labs.set(variant, all.use(await FirstContacts.open(variant)));
  await alternate(order, TEREDO_VARIANTS, async (variant) => {
    const lab = labs.get(variant)!;
    for (const from of ['fromClient', 'fromNative'] as const) {
      const { value } = await order.watch.during(() => lab.measure(from));
      order.results.add(firstReply(from), variant, value);
    }
  });
};

/**
 * Each time the relay has just been started and has served one ping of another client since. The native host takes a new
 * address, and the client's NAT has forgotten the relay.
 */
class FirstContacts {
  private readonly net: Internet;
  private readonly variant: TeredoVariant;
  private readonly site: Site;
  private readonly other: Namespace;
  private relay: Running | undefined;
  private last = 0x100;

  private constructor(net: Internet, variant: TeredoVariant) {
    this.net = net;
    this.variant = variant;
    this.site = net.site('a', 'port-restricted');
    this.other = net.site('b', 'port-restricted').client;
  }

  static async open(variant: TeredoVariant): Promise<FirstContacts> {
    const net = new Internet();
    try {
      const lab = new FirstContacts(net, variant);
      setLinks(net.lab.hosts, 'nic');
      await startServer(net, variant);
      lab.relay = await startRelay(net, variant);
      for (const host of [lab.site.client, lab.other]) {
        await startClient(host, variant);
        await mustReach(host, NATIVE_ADDRESS);
      }
      return lab;
    } catch (error) {
      await net[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Milliseconds. */
  async measure(from: 'fromClient' | 'fromNative'): Promise<number> {
    const { client } = this.site;
    const native = await this.begin();
    if (from === 'fromClient') return await firstReplyTo(client, native);
    const [, own] = /inet6 (2001:0?:[^/]+)/.exec(client.ip('-6', 'address', 'show', 'scope', 'global'))!;
    return await firstReplyTo(this.net.native, own!, '-I', native);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.net[Symbol.asyncDispose]();
  }

  /** Starts a new relay; returns a new address of the native host. */
  private async begin(): Promise<string> {
    await this.relay!.stop();
    forget(this.site.nat);
    this.relay = await startRelay(this.net, this.variant);
    // A new address: miredo's client does not notice that its relay has forgotten it.
    await mustReach(this.other, this.addAddress());
    return this.addAddress();
  }

  private addAddress(): string {
    const address = `2001:db8:2::${(this.last++).toString(16)}`;
    this.net.native.ip('address', 'add', `${address}/64`, 'dev', 'v6');
    return address;
  }
}

async function mustReach(from: Namespace, to: string): Promise<void> {
  if ((await ping(from, to, 20_000)) === undefined) throw new Error(`no way from ${from.name} to ${to}`);
}

/** The NAT lets the relay in only after the client has sent to it. */
function forget(nat: Namespace): void {
  nat.execute('sh', '-c', `conntrack -D -d ${RELAY_ADDRESS} 2>/dev/null || true`);
}

/** The time from the first ping to the first answer, to whichever ping. */
async function firstReplyTo(from: Namespace, to: string, ...options: string[]): Promise<number> {
  const every = String(SPACING_MS / 1_000);
  const running = from.spawn('ping', ['-n', '-i', every, '-w', '20', ...options, to]);
  try {
    const [, number, ms] = await running.waitFor(/icmp_seq=(\d+) .*time=([\d.]+) ms/, 21_000);
    return (Number(number) - 1) * SPACING_MS + Number(ms);
  } finally {
    await running.stop();
  }
}
