import { expect, test } from 'vitest';
import { Internet, NAT_KINDS } from '../../src/sim/index.ts';
import type { NatKindName, Ping } from '../../src/sim/index.ts';
import { IS_ALL } from '../support/extent.ts';

const CLIENTS = IS_ALL ? 10_000 : 3_000;
const NATS = ['fullCone', 'addressRestricted', 'portRestricted'] satisfies NatKindName[];

// The times are those of the simulation; the processor time on a busy machine is not tested.
test(`${CLIENTS} clients, one server, two relays`, { timeout: 600_000 }, () => {
  const net = new Internet({ seed: 1 });
  net.addServer();
  const sites = [net.addRelay(), net.addRelay()];
  const natives = sites.map((site) => net.addNativeHost(site));
  // A thousand clients behind one carrier NAT, the others behind their own NATs.
  const carrier = net.addNat({ ...NAT_KINDS.portRestricted, ports: 'sequential' });
  const clients = Array.from({ length: CLIENTS }, (_, i) =>
    net.addClient({ behind: i < 1_000 ? carrier : NATS[i % 3], localDiscovery: i >= 1_000 }),
  );
  net.world.runFor(5_000);
  expect(clients.filter((client) => client.machine.state !== 'qualified')).toHaveLength(0);
  const mappings = clients
    .map((client) => client.status.mapped!)
    .map(({ address, port }) => address * 65_536 + port);
  expect(new Set(mappings).size).toBe(CLIENTS);

  // A minute of maintenance, with traffic of every tenth client.
  net.world.runFor(60_000);
  const pings: Ping[] = [];
  const work = (i: number): void => {
    const native = natives[(i / 10) % 2]!;
    pings.push(clients[i]!.ipv6.ping(native.address), native.ping(clients[i + 1]!.ipv6.address));
    // Without pairs behind the carrier NAT, which does not hairpin.
    if (i >= 1_000) pings.push(clients[i]!.ipv6.ping(clients[CLIENTS - 1 - i + 1_000]!.ipv6.address));
  };
  // One after the other: 500 new peers at once would exceed a relay's limit for one /64.
  for (let i = 0; i < CLIENTS; i += 10) net.world.after(2 * i, () => work(i));
  net.world.runFor(20_000);
  net.world.runFor(3_000);
  expect(pings.filter((ping) => ping.repliedAt === undefined)).toHaveLength(0);
  expect(clients.filter((client) => client.machine.state !== 'qualified')).toHaveLength(0);
});
