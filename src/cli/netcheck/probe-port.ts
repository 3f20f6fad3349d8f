import { createSocket } from 'node:dgram';
import { TEREDO_PORT, formatIpv4 } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';

/** An ICMP error arrives within this: for a missing neighbour the kernel needs 3 s. */
const PATIENCE_MS = 4_000;

/**
 * Sends an empty datagram, which no Teredo server answers, to the server's port, and waits for an ICMP error. Resolves with the
 * reason in words, or undefined where no error arrives. The client itself hears none of that: ICMP may be forged.
 * The program does not stay alive for this.
 */
export function probePort(server: Ipv4, bind: Ipv4 | undefined): Promise<string | undefined> {
  const socket = createSocket('udp4').unref();
  return new Promise<string | undefined>((resolve) => {
    const timer = setTimeout(resolve, PATIENCE_MS, undefined).unref();
    const end = (error: Error): void => {
      clearTimeout(timer);
      resolve(inWords((error as NodeJS.ErrnoException).code ?? '', formatIpv4(server)));
    };
    socket.on('error', end);
    socket.bind({ port: 0, ...(bind === undefined ? {} : { address: formatIpv4(bind) }) }, () => {
      // It gets an error, whatever its type says.
      socket.connect(TEREDO_PORT, formatIpv4(server), (error?: Error) => {
        if (error !== undefined) end(error);
        else socket.send('', (failure) => failure !== null && end(failure));
      });
    });
  }).finally(() => socket.close());
}

function inWords(code: string, server: string): string | undefined {
  switch (code) {
    case 'ENETUNREACH':
      return `this host has no route to ${server}`;
    case 'EHOSTUNREACH':
      return `${server} cannot be reached: a router says so, or no host of its link answers`;
    case 'ECONNREFUSED':
      return `nothing listens at UDP port ${TEREDO_PORT} of ${server}: no Teredo server runs there`;
    case 'EPERM':
    case 'EACCES':
      return `this host's own firewall lets no datagram out to UDP port ${TEREDO_PORT} of ${server}`;
    default:
      return undefined;
  }
}
