/** The codec alone, which also runs in a browser: reads from a Teredo address the address and port that the NAT gave the client. */
import { formatEndpoint, parseIpv6, parseTeredoAddress } from 'teredo/wire';

const address = parseIpv6('2001:0:cb00:7178:2c5b:efff:3fff:fdfe')!;
const { mappedAddress, mappedPort } = parseTeredoAddress(address)!;
console.log(formatEndpoint({ address: mappedAddress, port: mappedPort }));
