/** Addresses of the crowd. The program in crowd.bpf.c has the same SERVER port and clients' network 11.0.0.0/8. */
import { RELAY_ADDRESS } from '../src/lab/index.ts';
import { makeTeredoAddress, parseIpv4 } from '../src/wire/index.ts';

/** The address of the crowd's namespace, at which the clients' server is, too. */
export const CROWD_ADDRESS = '198.51.100.250';
export const CLIENTS_NETWORK = '11.0.0.0/8';
export const CLIENT_PORT = 40_000;
export const RELAY = parseIpv4(RELAY_ADDRESS)!;
export const RELAY_PORT = 3545;
/** The link from the crowd to the relay: addresses of the relay's end and of the native host. */
export const NATIVE_GATEWAY = '2001:db8:3::1';
export const NATIVE = '2001:db8:3::2';
/** The way of a null relay, which forwards plain IPv6: its addresses on the backbone, and networks behind the crowd's two interfaces. */
export const PLAIN = {
  relay: '2001:db8:4::1',
  crowd: '2001:db8:4::2',
  toNative: '2001:db8:6::',
  toClients: '2001:db8:7::',
} as const;

/** Each client has its own IPv4 address. */
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
