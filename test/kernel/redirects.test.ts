/** A router may redirect single destinations to another next hop (ICMP, RFC 792): only their routes change. */
import { expect, onTestFinished, test } from 'vitest';
import { Merging } from '../../src/io/kernel-path/merging.ts';
import { Uplinks } from '../../src/io/kernel-path/uplinks.ts';
import { execute } from '../../src/lab/index.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { Gather } from '../../src/linux/gather.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { RouteQuery } from '../../src/linux/route-query.ts';
import { TunDevice, VNET } from '../../src/linux/tun.ts';
import { internetChecksum, writeUint16, writeUint32 } from '../../src/wire/index.ts';
import { v4 } from '../support/client-rig.ts';

const PORT = 3_545;
const [OWN, ROUTER, OTHER_ROUTER] = [v4('10.0.0.1'), v4('10.0.0.2'), v4('10.0.0.3')];
const [REDIRECTED, OTHER] = [v4('203.0.113.5'), v4('203.0.113.6')];
const IP_HEADER = 20;

test('the next hop of the first destination asked for does not apply to all others behind the same route', () => {
  const device = network();
  const program = loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 });
  const ipv4Subnets = () => [{ interface: 'link0', address: OWN, prefixLength: 24 }];
  const merging = new Merging({
    program,
    config: {} as never,
    wish: 'off',
    tunnel: { name: 'said', ifindex: 0 },
    handle: 1,
    forwards: false,
  });
  const local = { address: 0, port: PORT };
  const uplinks = new Uplinks(program, { ipv4Subnets } as never, local, 1, 'off', merging);
  const routes = new RouteQuery(0, PORT);
  onTestFinished(() => {
    routes.close();
    uplinks.close();
    program.close();
  });
  // By now it has read the routes. When the kernel learns about a single destination, it sends no message.
  expect(uplinks.towards(ROUTER)).toBeDefined();
  redirect(device, REDIRECTED);
  expect(routes.wayTo(REDIRECTED)).toMatchObject({ gateway: '0a000003', isRedirected: true });
  expect(routes.wayTo(OTHER)).toMatchObject({ gateway: '0a000002', isRedirected: false });
  const [redirected, other] = [uplinks.towards(REDIRECTED), uplinks.towards(OTHER)];
  expect(redirected).toBeDefined();
  expect(other).toBeDefined();
  expect(other).not.toBe(redirected);
});

/** Both routers are on one link. Their ICMP messages are sent to the returned interface; any would do. */
function network(): TunDevice {
  enterNewNetwork();
  const device = new TunDevice('said');
  onTestFinished(() => device.close());
  for (const command of [
    'ip link add link0 type veth peer name link1',
    'ip addr add 10.0.0.1/24 dev link0',
    ...['link0', 'link1', 'said'].map((name) => `ip link set dev ${name} up`),
    'ip route add default via 10.0.0.2 dev link0',
    'ip neigh add 10.0.0.3 lladdr 02:00:00:00:00:03 dev link0',
    ...['all', 'link0', 'said'].flatMap((name) =>
      ['accept_redirects=1', 'shared_media=1', 'forwarding=0', 'rp_filter=0'].map(
        (setting) => `sysctl -qw net.ipv4.conf.${name}.${setting}`,
      ),
    ),
  ]) {
    const [program = '', ...args] = command.split(' ');
    execute(program, args);
  }
  return device;
}

/** The router sends a redirect to the other one for a destination to which this host sent an echo reply. */
function redirect(device: TunDevice, destination: number): void {
  const pieces = new Gather(256, 0);
  const packet = new Uint8Array(IP_HEADER + 8 + IP_HEADER + 8);
  ipHeader(packet, 0, packet.length, ROUTER, OWN);
  packet.set([5, 1], IP_HEADER);
  writeUint32(packet, IP_HEADER + 4, OTHER_ROUTER);
  ipHeader(packet, IP_HEADER + 8, IP_HEADER + 8, OWN, destination);
  writeUint16(packet, IP_HEADER + 2, internetChecksum(packet, IP_HEADER, packet.length));
  pieces.head.fill(0);
  pieces.head.set(packet, VNET.LENGTH);
  pieces.reset(VNET.LENGTH + packet.length);
  expect(device.write(pieces)).toBe(0);
}

function ipHeader(b: Uint8Array, at: number, length: number, source: number, destination: number): void {
  b.set([0x45, 0, 0, length, 0, 0, 0, 0, 64, 1], at);
  writeUint32(b, at + 12, source);
  writeUint32(b, at + 16, destination);
  writeUint16(b, at + 10, internetChecksum(b, at, at + IP_HEADER));
}
