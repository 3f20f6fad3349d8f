/** A gateway that opens ports, miniupnpd in the NAT of a site, restarts. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, until } from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { everyNth } from '../support/extent.ts';
import { Gateway } from '../support/miniupnpd.ts';
import { KINDS, mapped, ownStateDirectory } from '../support/port-mapping.ts';
import { startClient, startServer } from '../support/roles.ts';

ownStateDirectory();

describe('a gateway that has restarted, and lost its mappings', () => {
  /** The client asks within 5 s (RFC 6886 section 3.7), and UPnP first searches for the gateway again. */
  const WITHIN_MS = 8_000;

  /** If a gateway had run for less than 2 s (RFC 6887 section 8.5), its restart cannot be noticed. */
  async function untilDistinct(): Promise<void> {
    const since = performance.now();
    await until('an epoch of some seconds', () => performance.now() - since > 4_000 || undefined);
  }

  test.for(everyNth(2, KINDS))(
    '$protocol: the port is open again within seconds',
    async ({ protocol, options }) => {
      await using net = new Internet();
      const site = net.site('a', 'symmetric-random', { undocumented: true });
      await using gateway = await Gateway.start(site, options);
      await startServer(net.server, SERVER_ADDRESS);
      const client = await startClient(site.client, SERVER_ADDRESS);
      const { port } = await mapped(site);
      await untilDistinct();
      await gateway.crash();
      expect(gateway.mappings()).toEqual([]);
      await gateway.run();
      const isOpen = (): true | undefined =>
        gateway.mappings().includes(`${port} to ${site.network}.2:${port}`) || undefined;
      await until('the mapping again', isOpen, WITHIN_MS);
      await until('status', async () => {
        const { portMapping } = await mapped(site);
        return (portMapping as { protocol: string }).protocol === protocol || undefined;
      });
      await client.stop();
      expect(gateway.mappings()).toEqual([]);
    },
  );

  test('announcements of the gateway are heard; those of other hosts, and unicast ones, are not', async () => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    const neighbour = net.lab.host('neighbour');
    net.join(site, neighbour, 7);
    const module = fileURLToPath(new URL('../../dist/io/port-mapping/announcements.js', import.meta.url));
    const listening = site.client.spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `import { listenToGateway } from '${module}';
       listenToGateway({ gateway: 0x0a010001, source: 0x0a010002 }, (heard) => console.log('heard ' + heard));`,
    ]);
    const gateway = `${site.network}.1`;
    const heard = (what: string): boolean => listening.output.includes(`heard ${what}\n`);
    const groups = ['224.0.0.1:5350', '239.255.255.250:1900'];
    await until('it listens', async () => {
      for (const [i, group] of groups.entries()) await announce(site.nat, gateway, group, `first-${i}`);
      return (heard('first-0') && heard('first-1')) || undefined;
    });
    for (const group of groups) await announce(neighbour, `${site.network}.7`, group, 'neighbour');
    for (const port of [5350, 1900]) await announce(site.nat, gateway, `${site.network}.2:${port}`, 'alone');
    await announce(site.nat, gateway, groups[0]!, 'x'.repeat(1_200));
    for (const [i, group] of groups.entries()) await announce(site.nat, gateway, group, `last-${i}`);
    await until('the last ones', () => (heard('last-0') && heard('last-1')) || undefined);
    expect(listening.output).not.toMatch(/neighbour|alone|xx/);
    await listening.stop();
  });

  test('an announcement of NAT-PMP whose epoch does not continue that of the last answer', async () => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted', { undocumented: true });
    await using gateway = await Gateway.start(site, { upnp: false });
    await startServer(net.server, SERVER_ADDRESS);
    const client = await startClient(site.client, SERVER_ADDRESS);
    await mapped(site);
    // A repeated request comes from the same port.
    const asked = (): number =>
      new Set([...gateway.output.matchAll(/PCP request received from ([\d.:]+)/g)].map(([, from]) => from))
        .size;
    const before = asked();
    const epoch = '10000000';
    for (let i = 0; i < 10; i++)
      await announce(site.nat, `${site.network}.1`, '224.0.0.1:5350', `hex:00800000${epoch}c6346401`);
    await until('it is asked', () => asked() > before || undefined, WITHIN_MS);
    await client.stop();
    expect(asked(), 'once, and at the end').toBe(before + 2);
  });

  async function announce(host: Namespace, from: string, to: string, what: string): Promise<void> {
    const [address, port] = to.split(':');
    const bytes = what.startsWith('hex:') ? `'${what.slice(4)}', 'hex'` : `'${what}'`;
    const send = `
      const socket = require('node:dgram').createSocket('udp4');
      socket.bind(0, '${from}', () => {
        socket.setMulticastInterface('${from}');
        socket.send(Buffer.from(${bytes}), ${port}, '${address}', () => socket.close());
      });`;
    expect(await host.spawn(process.execPath, ['-e', send]).exited).toBe(0);
  }

  test('when the NAT has a new mapping for the client, the gateway is asked, though it announced nothing', async () => {
    await using net = new Internet();
    const site = net.site('a', 'symmetric-random', { undocumented: true });
    await using gateway = await Gateway.start(site);
    site.client.nft(`
      table inet deaf {
        chain input { type filter hook input priority 0; policy accept; ip daddr { 224.0.0.1, 239.255.255.250 } drop; }
      }`);
    await startServer(net.server, SERVER_ADDRESS);
    const client = await startClient(site.client, SERVER_ADDRESS, '--refresh', '5');
    const { port } = await mapped(site);
    await gateway.crash();
    await gateway.run();
    const isOpen = (): true | undefined =>
      gateway.mappings().includes(`${port} to ${site.network}.2:${port}`) || undefined;
    await until('the mapping again', isOpen, 12_000);
    await client.stop();
  });
});
