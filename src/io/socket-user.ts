import { SocketOwners } from '../linux/socket-owner.ts';
import type { TcpEnd } from '../linux/socket-owner.ts';
import { AF_INET, AF_INET6 } from '../linux/socket.ts';
import { parseIpv4, parseIpv6, writeUint32 } from '../wire/index.ts';

/** The address, as text, and the port of a socket. */
export interface SocketPlace {
  readonly address: string;
  readonly port: number;
}

/** Finds the users of sockets on this host. */
export class SocketUsers {
  private readonly owners = new SocketOwners();

  /** The user of the socket at `client`, which is connected to `here`; undefined: it is on another host, is closed, or the kernel does not say. */
  uidOfTcp(client: SocketPlace, here: SocketPlace): number | undefined {
    return this.owners.uidOf(endOf(client), endOf(here));
  }

  /** The same of a UDP socket, which sends to `here`. */
  uidOfUdp(client: SocketPlace, here: SocketPlace): number | undefined {
    return this.owners.uidOfUdp(endOf(client), endOf(here));
  }

  close(): void {
    this.owners.close();
  }
}

function endOf({ address, port }: SocketPlace): TcpEnd {
  const octets = new Uint8Array(16);
  const ipv4 = parseIpv4(address);
  if (ipv4 === undefined) octets.set(parseIpv6(address) ?? []);
  else writeUint32(octets, 0, ipv4);
  return { family: ipv4 === undefined ? AF_INET6 : AF_INET, address: octets, port };
}
