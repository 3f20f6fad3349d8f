import type { ExitCode } from './exit-codes.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { runGuestService } from './guest-service.ts';
import type { Service } from './guest-service.ts';
import type { GuestNetwork } from '../io/guest/guest-network.ts';
import { SocketUsers } from '../io/socket-user.ts';
import type { SocketPlace } from '../io/socket-user.ts';
import { placeInWords } from '../runtime/settings/proxy-place.ts';
import type { ProxyPlace } from '../runtime/settings/proxy-place.ts';
import type { PROXY_OPTIONS } from '../runtime/settings/proxy-options.ts';
import type { Values } from '../runtime/settings/option.ts';
import { openLog } from './log.ts';
import type { RequiredCredentials } from './proxy/credentials.ts';
import { Destinations } from './proxy/destinations.ts';
import { Dialer } from './proxy/dialer.ts';
import { ProxyListener, isUserServed } from './proxy/listener.ts';
import { requiredCredentials } from './proxy/required-credentials.ts';
import { ProxyServer } from './proxy/proxy-server.ts';
import { Resolver } from './proxy/resolver.ts';
import { MOST_ASSOCIATIONS, UdpRelays } from './proxy/udp-relays.ts';

export type ProxyValues = Values<typeof PROXY_OPTIONS>;

/** Runs a proxy, by which programs reach IPv6 hosts through Teredo, until a signal comes. */
export async function runProxy(values: ProxyValues): Promise<ExitCode> {
  await openLog(values);
  const required = requiredCredentials(values);
  const listener = await openListener(values.listen, required !== undefined);
  try {
    const client = { ...values, listen: undefined, listenToken: undefined };
    return await runGuestService(client, MOST_ASSOCIATIONS, async (network, address, mapped) => {
      const destinations = new Destinations({ allowPrivate: values.allowPrivate === true, mapped });
      return serve(listener, values, { network, required, destinations, address });
    });
  } finally {
    listener.close();
  }
}

interface Surroundings {
  readonly network: GuestNetwork;
  readonly required: RequiredCredentials | undefined;
  readonly destinations: Destinations;
  /** The Teredo address. */
  readonly address: string;
}

function serve(
  listener: ProxyListener,
  { listen, ipv6Only }: ProxyValues,
  { network, required, destinations, address }: Surroundings,
): Service {
  const resolver = new Resolver({ ipv6Only: ipv6Only === true });
  const dialer = new Dialer(network, resolver, destinations);
  const users = new SocketUsers();
  const isServed = (from: SocketPlace, here: SocketPlace): boolean =>
    required !== undefined || isUserServed(users.uidOfUdp(from, here));
  const udp = new UdpRelays({ network, resolver, destinations, hasIpv4: ipv6Only !== true, isServed });
  const server = new ProxyServer(listener, { required, dialer, udp });
  const place = placeInWords(listen.kind === 'tcp' ? { ...listen, port: listener.port ?? 0 } : listen);
  const clients = required === undefined ? 'programs of this user' : 'all that give user and password';
  return {
    message: `the proxy at ${place} (SOCKS5 and HTTP) serves ${clients}; its IPv6 address is ${address}`,
    close: () => {
      server.close();
      users.close();
    },
  };
}

async function openListener(place: ProxyPlace, isOpen: boolean): Promise<ProxyListener> {
  try {
    return await ProxyListener.open(place, isOpen);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isForbidden = code === 'EACCES' || code === 'EPERM';
    throw new CommandFailure(
      isForbidden ? EXIT.NOT_PERMITTED : EXIT.FAILED,
      `cannot listen at ${placeInWords(place)}: ${REASONS[code ?? ''] ?? message}`,
    );
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program uses that port: name another one with --listen',
  EADDRNOTAVAIL: 'this host does not have that address',
  EACCES: 'this user may not',
};
