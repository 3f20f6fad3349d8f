/** An IPv4 address as an unsigned 32-bit number: 1.2.3.4 is 0x01020304. */
export type Ipv4 = number;

/** An IPv4 address and a UDP port. */
export interface Endpoint {
  address: Ipv4;
  port: number;
}

export function formatIpv4(address: Ipv4): string {
  return `${address >>> 24}.${(address >>> 16) & 0xff}.${(address >>> 8) & 0xff}.${address & 0xff}`;
}

/** Reads a strict dotted quad: four decimal numbers, no leading zeros, no other characters. */
export function parseIpv4(text: string): Ipv4 | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  let address = 0;
  for (const part of match.slice(1)) {
    if (Number(part) > 255 || hasLeadingZero(part)) return undefined;
    address = address * 256 + Number(part);
  }
  return address;
}

/** "1.2.3.4:5" */
export function formatEndpoint(endpoint: Endpoint): string {
  return `${formatIpv4(endpoint.address)}:${endpoint.port}`;
}

/** Reads "1.2.3.4:5"; both parts are required, port 0 to 65535 without leading zeros. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^([\d.]+):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const address = parseIpv4(match[1]);
  const port = Number(match[2]);
  if (address === undefined || port > 65535 || hasLeadingZero(match[2])) return undefined;
  return { address, port };
}

function hasLeadingZero(digits: string): boolean {
  return digits.length > 1 && digits.startsWith('0');
}
