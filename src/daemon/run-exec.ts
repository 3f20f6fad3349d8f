import { Guest } from '../io/guest/guest.ts';
import type { Exit } from '../io/guest/guest.ts';
import { GuestIpv4 } from '../io/guest/ipv4.ts';
import { GuestResolver, hostServers } from '../io/guest/resolver.ts';
import { watchResolvers } from '../io/guest/watch-resolvers.ts';
import { clientMaker, reachIn, whileQualified } from './guest-client.ts';
import type { GuestValues } from './guest-client.ts';
import { announce, openLog } from './log.ts';
import { ownProgram } from './own-program.ts';

/** Signals that are passed on to the program. Those of the terminal reach it by themselves. */
const PASSED_ON = ['SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const;
const OF_TERMINAL = ['SIGINT', 'SIGQUIT', 'SIGHUP'] as const;

/** Runs a program that has IPv6 through Teredo; resolves with its end. */
export async function runExec(values: GuestValues, words: readonly string[]): Promise<Exit> {
  await openLog(values);
  const making = Guest.make(ownProgram('guest-agent'), words);
  const preparing = making.then((guest) => new Surroundings(guest));
  preparing.catch(() => {}); // the client says why
  const unwatch = watchResolvers(() => void preparing.then((made) => made.renewResolver()).catch(() => {}));
  try {
    const make = await clientMaker(values);
    const run = async (address: string | undefined): Promise<Exit> => {
      const { guest, ipv4 } = await preparing;
      announce('running', stateOf(address, values.inbound, (await ipv4)?.program));
      return await guest.run();
    };
    const ended = making.then((guest) => guest.ended);
    return await whileQualified(values.name, (running) => make(making, running), ended, run);
  } finally {
    unwatch();
    await (await preparing.catch(() => undefined))?.close();
  }
}

/** A guest with its names and IPv4; it gets the signals of this process. */
class Surroundings {
  readonly guest: Guest;
  readonly ipv4: Promise<GuestIpv4 | undefined>;
  private readonly resolver: GuestResolver;

  constructor(guest: Guest) {
    this.guest = guest;
    this.resolver = new GuestResolver(guest);
    this.ipv4 = GuestIpv4.start(guest);
    for (const signal of PASSED_ON) process.on(signal, () => guest.signal(signal));
    for (const signal of OF_TERMINAL) process.on(signal, () => {});
  }

  /** The resolvers of the host have changed. */
  renewResolver(): void {
    this.resolver.useServers(hostServers());
    this.guest.nameResolver();
  }

  async close(): Promise<void> {
    this.resolver.close();
    this.guest.close();
    (await this.ipv4)?.close();
  }
}

function stateOf(
  address: string | undefined,
  inbound: GuestValues['inbound'],
  ipv4: string | undefined,
): string {
  const other =
    ipv4 === undefined ? 'no IPv4, which slirp4netns or passt would give when installed' : `IPv4 by ${ipv4}`;
  return `IPv6 address ${address}: ${reachIn(inbound)}; ${other}`;
}
