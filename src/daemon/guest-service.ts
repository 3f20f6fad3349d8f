import { GuestNetwork } from '../io/guest/guest-network.ts';
import { Guest } from '../io/guest/guest.ts';
import { EXIT } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';
import { clientMaker, whileQualified } from './guest-client.ts';
import type { GuestValues, MappedAddress } from './guest-client.ts';
import { sayEnd, signalled } from './guest-end.ts';
import type { End } from './guest-end.ts';
import { announce } from './log.ts';
import { ownProgram } from './own-program.ts';

/** Keeps the network of a guest alive in which no program runs. The terminal's signals are for the process outside. */
const NOTHING = ['sh', '-c', `trap '' HUP INT QUIT TERM; exec sleep infinity`];

/** The part of a service that this process does with sockets in a guest. */
export interface Service {
  /** For the log. */
  readonly message: string;
  close(): void;
}

/**
 * Runs a service with sockets in the network of a guest, from the qualification of its client until a signal comes. `udpSockets`: the most that it uses at
 * the same time.
 */
export async function runGuestService(
  values: GuestValues,
  udpSockets: number,
  begin: (network: GuestNetwork, address: string, mapped: MappedAddress) => Promise<Service>,
): Promise<ExitCode> {
  const stopping = signalled();
  const making = Guest.make(ownProgram('guest-agent'), NOTHING, udpSockets);
  making.catch(() => {}); // it is awaited below, after the look-ups
  const make = await clientMaker(values);
  const guest = await making;
  let service: Service | undefined;
  try {
    const ended = Promise.race([stopping, guest.run().then(() => NETWORK_ENDED)]);
    const { listener, opener } = guest.descriptors;
    const network = new GuestNetwork({ listener: listener!, opener: opener! }, guest.udpSockets);
    const serve = async (address: string | undefined, mapped: MappedAddress): Promise<End> => {
      service = await begin(network, address!, mapped);
      announce('running', service.message);
      return await ended;
    };
    const end = await whileQualified({ name: values.name }, (running) => make(making, running), ended, serve);
    sayEnd(end);
    return end.exitCode;
  } finally {
    service?.close();
    guest.close();
  }
}

const NETWORK_ENDED: End = { message: 'the private network has ended', exitCode: EXIT.FAILED };
