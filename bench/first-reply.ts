/** The time to the first answer between a client and a native host that have not communicated before. */
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, ping } from '../src/lab/index.ts';
import type { Namespace } from '../src/lab/index.ts';
import { startClient, startRelay, startServer } from './variants.ts';
import type { TeredoVariant } from './variants.ts';
import { cutOnWires } from './world.ts';

export interface FirstReply {
  /** Milliseconds. */
  readonly fromClient: number;
  readonly fromNative: number;
}

const SPACING_MS = 200;

/**
 * The median of several runs. For each, the relay has just been started and has served another client since, so that its program is warm.
 * The native host takes a new address, and the client's NAT has forgotten the relay.
 */
export async function measureFirstReply(variant: TeredoVariant, times: number): Promise<FirstReply> {
  await using net = new Internet();
  const { client, nat } = net.site('a', 'port-restricted');
  const { client: other } = net.site('b', 'port-restricted');
  cutOnWires(net);
  await startServer(net, variant);
  let relay = await startRelay(net, variant);
  for (const host of [client, other]) {
    await startClient(host, variant);
    await mustReach(host, NATIVE_ADDRESS);
  }
  const [, own] = /inet6 (2001:0?:[^/]+)/.exec(client.ip('-6', 'address', 'show', 'scope', 'global'))!;

  let last = 0x100;
  const addAddress = (): string => {
    const address = `2001:db8:2::${(last++).toString(16)}`;
    net.native.ip('address', 'add', `${address}/64`, 'dev', 'v6');
    return address;
  };
  /** Starts a new relay; returns a new address of the native host. */
  const begin = async (): Promise<string> => {
    await relay.stop();
    forget(nat);
    relay = await startRelay(net, variant);
    await mustReach(other, addAddress()); // a new address: miredo's client does not notice that its relay has forgotten it
    return addAddress();
  };
  const [fromClient, fromNative]: [number[], number[]] = [[], []];
  for (let i = 0; i < times; i++) {
    fromClient.push(await firstReply(client, await begin()));
    fromNative.push(await firstReply(net.native, own!, '-I', await begin()));
  }
  return { fromClient: median(fromClient), fromNative: median(fromNative) };
}

async function mustReach(from: Namespace, to: string): Promise<void> {
  if ((await ping(from, to, 20_000)) === undefined) throw new Error(`no way from ${from.name} to ${to}`);
}

/** The NAT lets the relay in only after the client has sent to it. */
function forget(nat: Namespace): void {
  nat.execute('sh', '-c', `conntrack -D -d ${RELAY_ADDRESS} 2>/dev/null || true`);
}

/** The time from the first ping to the first answer, to whichever ping. */
async function firstReply(from: Namespace, to: string, ...options: string[]): Promise<number> {
  const every = String(SPACING_MS / 1_000);
  const running = from.spawn('ping', ['-n', '-i', every, '-w', '20', ...options, to]);
  try {
    const [, number, ms] = await running.waitFor(/icmp_seq=(\d+) .*time=([\d.]+) ms/, 21_000);
    return (Number(number) - 1) * SPACING_MS + Number(ms);
  } finally {
    await running.stop();
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
