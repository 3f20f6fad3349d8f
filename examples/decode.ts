/** The codec alone, which runs in a browser too: what an address says about the NAT in front of a client. */
import { formatEndpoint, parseIpv6, parseTeredoAddress } from 'teredo/wire';

const address = parseIpv6('2001:0:cb00:7178:2c5b:efff:3fff:fdfe')!;
const { mappedAddress, mappedPort } = parseTeredoAddress(address)!;
console.log(formatEndpoint({ address: mappedAddress, port: mappedPort }));
