/** A server on two addresses whose advertisements have a defect: false-server.mjs DEFECT PRIMARY SECONDARY OTHER. */
import dgram from 'node:dgram';
import {
  buildRouterAdvertisement,
  makeLinkLocal,
  parseIpv4,
  parseIpv6,
  sealIcmpv6,
  writeAuthentication,
  writeOrigin,
} from '../../../dist/wire/index.js';

const [defect, primary, secondary, other] = process.argv.slice(2);
const linkLocal = makeLinkLocal({ flags: 0x8000, mappedPort: 3544, mappedAddress: parseIpv4(primary) });
const AUTHENTICATION = 13;
const ORIGIN = 8;

const open = (address) =>
  new Promise((resolve) => {
    const socket = dgram.createSocket('udp4');
    socket.bind(3544, address, () => resolve(socket));
  });
const elsewhere = await open(other);
for (const address of [primary, secondary]) {
  const socket = await open(address);
  socket.on('message', (request, from) => {
    if (request[0] !== 0 || request[1] !== 1) return;
    const advertisement = advertise(request.subarray(AUTHENTICATION + 8, AUTHENTICATION + 24));
    const answer = new Uint8Array(AUTHENTICATION + ORIGIN + advertisement.length);
    const nonce = Uint8Array.from(request.subarray(4, 12));
    writeAuthentication(answer, 0, {
      clientId: new Uint8Array(),
      value: new Uint8Array(),
      nonce,
      confirmation: 0,
    });
    writeOrigin(answer, AUTHENTICATION, parseIpv4(from.address), from.port);
    answer.set(advertisement, AUTHENTICATION + ORIGIN);
    (defect === 'another address' ? elsewhere : socket).send(answer, from.port, from.address);
    console.log('answered');
  });
}
console.log('ready');

function advertise(destination) {
  const source = defect === 'a global source' ? parseIpv6('2001:db8::1') : linkLocal;
  const advertisement = buildRouterAdvertisement({
    source,
    destination,
    prefixServer: parseIpv4(primary),
    mtu: 1280,
  });
  if (defect === 'hop limit 1') advertisement[7] = 1;
  if (defect === 'a bad checksum') advertisement[42] ^= 1;
  if (defect === 'a wrong code') {
    advertisement[41] = 1;
    sealIcmpv6(advertisement, 0);
  }
  return advertisement;
}
