/** Where a crowd is: the program in crowd.bpf.c knows of SERVER's port and of the network 11.0.0.0/8 that clients are in. */
import { RELAY_ADDRESS } from '../src/lab/index.ts';
import { makeTeredoAddress, parseIpv4 } from '../src/wire/index.ts';

/** Of the namespace that all of a crowd is in, and so of the clients' server. */
export const CROWD_ADDRESS = '198.51.100.250';
export const CLIENTS_NETWORK = '11.0.0.0/8';
export const CLIENT_PORT = 40_000;
export const RELAY = parseIpv4(RELAY_ADDRESS)!;
export const RELAY_PORT = 3545;
/** The crowd's wire to the relay: the relay's end, and the native host's. */
export const NATIVE_GATEWAY = '2001:db8:3::1';
export const NATIVE = '2001:db8:3::2';

/** Each client has an IPv4 address of its own. */
export function mappedAddress(client: number): number {
  return 0x0b00_0000 + client;
}

export function teredoAddress(client: number): Uint8Array {
  return makeTeredoAddress({
    server: parseIpv4(CROWD_ADDRESS)!,
    flags: 0,
    mappedAddress: mappedAddress(client),
    mappedPort: CLIENT_PORT,
  });
}
