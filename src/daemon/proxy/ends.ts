import type { Socket } from 'node:net';
import { hostOf } from '../../wire/proxy-target.ts';
import type { Target, TargetHost } from '../../wire/proxy-target.ts';

const NOWHERE: TargetHost = { kind: 'ipv4', address: 0 };

/** The address and port of this process's end of a connection. */
export function localEnd(socket: Pick<Socket, 'localAddress' | 'localPort'>): Target {
  return { host: hostOf(withoutZone(socket.localAddress)) ?? NOWHERE, port: socket.localPort ?? 0 };
}

/** An IPv6 address without the interface, as in `fe80::1%eth0`. */
export function withoutZone(address: string | undefined): string {
  return address?.replace(/%.*/, '') ?? '';
}
