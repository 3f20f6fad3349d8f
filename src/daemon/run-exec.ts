import type { Exit, Guest } from '../io/guest/guest.ts';
import { GuestIpv4 } from '../io/guest/ipv4.ts';
import { GuestResolver, hostServers } from '../io/guest/resolver.ts';
import { watchResolvers } from '../io/guest/watch-resolvers.ts';
import { takeTerminalBack } from '../io/terminal.ts';
import { clientMaker, reachIn, whileQualified } from './guest-client.ts';
import type { GuestValues } from './guest-client.ts';
import { ExecSignals } from './exec-signals.ts';
import { announce, openLog } from './log.ts';

/** Runs the program of a guest that is being made, with IPv6 through Teredo; resolves with its end. */
export async function runExec(values: GuestValues, making: Promise<Guest>): Promise<Exit> {
  const signals = new ExecSignals();
  const preparing = making.then((guest) => new Surroundings(guest));
  preparing.catch(() => {}); // the client says why
  const unwatch = watchResolvers(() => void preparing.then((made) => made.renewResolver()).catch(() => {}));
  try {
    await openLog(values);
    const make = await Promise.race([clientMaker(values), signals.early]);
    if (typeof make !== 'function') return make;
    const run = async (address: string | undefined): Promise<Exit> => {
      const { guest, ipv4 } = await preparing;
      const program = (await ipv4)?.program;
      await signals.ready;
      announce('running', stateOf(address, values.inbound, program));
      signals.passTo(guest);
      const end = await guest.run(signals.ignored);
      takeTerminalBack();
      return end;
    };
    const ended = Promise.race([signals.early, making.then((guest) => guest.ended)]);
    return await signals.endOf(await whileQualified(values, (running) => make(making, running), ended, run));
  } finally {
    signals.close();
    unwatch();
    await (await preparing.catch(() => undefined))?.close();
  }
}

/** A guest with its names and IPv4. */
class Surroundings {
  readonly guest: Guest;
  readonly ipv4: Promise<GuestIpv4 | undefined>;
  private readonly resolver: GuestResolver;

  constructor(guest: Guest) {
    this.guest = guest;
    this.resolver = new GuestResolver(guest);
    this.ipv4 = GuestIpv4.start(guest);
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
