/**
 * The tunnel's MTU is 1280. Larger packets of the host get a Packet Too Big, but larger packets that arrive are delivered. C-22, C-24,
 * CL-71, R-28
 */
import { expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, ping } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';

/** 1400 bytes of IPv6: 40 of header, 8 of ICMPv6, the rest data. */
const DATA = '1352';

test('a 1400-byte packet offered to the tunnel gets its Packet Too Big, from the client and from the native side', async () => {
  await using net = new Internet();
  const site = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS);
  const address = await teredoAddress(site.client);
  expect(await ping(site.client, NATIVE_ADDRESS)).toBeDefined();
  expect(await say(net.native, address)).toMatch(/Packet too big: mtu=1280/);
  expect(await say(site.client, NATIVE_ADDRESS)).toMatch(/mtu[:=] ?1280/);
});

test('a 1400-byte packet that arrives in two IPv4 fragments is delivered', async () => {
  await using net = new Internet();
  const site = net.site('a', 'full-cone');
  site.nat.ip('link', 'set', 'dev', 'wan', 'mtu', '1300');
  net.backbone.ip('link', 'set', 'dev', 'bridge', 'mtu', '1300');
  const peer = net.lab.host('peer');
  net.attach(peer, 'wan', '198.51.100.200');
  peer.ip('link', 'set', 'dev', 'wan', 'mtu', '1300');
  peer.sysctl('net.ipv4.ip_no_pmtu_disc', '1'); // no DF on datagrams of its sockets
  await startServer(net.server, SERVER_ADDRESS);
  await startClient(site.client, SERVER_ADDRESS);
  const address = await teredoAddress(site.client);
  const sender = peer.spawn(process.execPath, [
    '--input-type=module',
    '-e',
    PEER,
    WIRE,
    SERVER_ADDRESS,
    '198.51.100.200',
    address,
  ]);
  await sender.waitFor(/answered/, 10_000);
  expect(peer.execute('cat', '/proc/net/snmp')).toMatch(/^Ip: \d+/m);
  expect(fragmentsMade(peer)).toBeGreaterThanOrEqual(2);
});

/** FragCreates of the host's IPv4. */
function fragmentsMade(host: Namespace): number {
  const [names, values] = host
    .execute('cat', '/proc/net/snmp')
    .split('\n')
    .filter((line) => line.startsWith('Ip:'))
    .map((line) => line.split(' '));
  return Number(values![names!.indexOf('FragCreates')]);
}

const WIRE = new URL('../../dist/wire/index.js', import.meta.url).href;

/** A Teredo peer without NAT and without a tunnel: sends a large ping to a client until it answers. */
const PEER = `
  const [wire, server, own, target] = process.argv.slice(1);
  const { buildEchoRequest, makeTeredoAddress, mappedAddressOf, mappedPortOf, parseIpv4, parseIpv6, formatIpv4 } = await import(wire);
  const { createSocket } = await import('node:dgram');
  const socket = createSocket('udp4');
  socket.bind(40000, own, () => {
    const source = makeTeredoAddress({ server: parseIpv4(server), flags: 0, mappedAddress: parseIpv4(own), mappedPort: 40000 });
    const destination = parseIpv6(target);
    const packet = buildEchoRequest({ source, destination, hopLimit: 64, identifier: 1, sequence: 1, data: new Uint8Array(1352).fill(7) });
    const send = () => socket.send(packet, mappedPortOf(destination, 0), formatIpv4(mappedAddressOf(destination, 0)));
    setInterval(send, 200);
    send();
  });
  socket.on('message', (bytes) => {
    // the answer may be fragmented in IPv6: the first fragment is enough
    if (bytes[0] >> 4 === 6 && bytes.length > 1000) { console.log('answered'); process.exit(); }
  });`;

async function say(from: Namespace, to: string): Promise<string> {
  const pinging = from.spawn('ping', ['-n', '-M', 'do', '-s', DATA, '-c', '3', '-i', '0.3', '-w', '5', to]);
  await pinging.exited;
  return pinging.output;
}
