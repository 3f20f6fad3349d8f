/** RFC 4380 section 5.5: "MUST NOT behave as Teredo clients if they already have IPv6 connectivity". CL-7 */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS } from '../../src/lab/index.ts';
import { eventually } from '../support/eventually.ts';
import { startClient, startServer, statusOf, teredoAddress, teredoAddressNow } from '../support/roles.ts';

test('--only-without-ipv6: a client pauses while the host has native IPv6, and continues without', async () => {
  await using net = new Internet();
  const { client: host } = net.site('a', 'port-restricted');
  net.lab.wire(net.relay, 'v6h', ['2001:db8:9::1/64'], host, 'v6', ['2001:db8:9::2/64']);
  const native = ['default', 'via', '2001:db8:9::1'];
  host.ip('-6', 'route', 'add', ...native);
  await startServer(net.server, SERVER_ADDRESS);
  const client = await startClient(host, SERVER_ADDRESS, '--only-without-ipv6');
  await client.waitFor(/dormant: this host has native IPv6/);
  expect(await statusOf(host, 'client')).toMatchObject({
    state: 'dormant',
    reason: 'native-ipv6',
    counters: { sentSolicitations: 0 },
  });
  expect(teredoAddressNow(host)).toBeUndefined();
  host.ip('-6', 'route', 'del', ...native);
  host.ip('address', 'del', '2001:db8:9::2/64', 'dev', 'v6');
  await teredoAddress(host);
  host.ip('address', 'add', '2001:db8:9::2/64', 'dev', 'v6', 'nodad');
  host.ip('-6', 'route', 'add', ...native);
  await eventually(async () => {
    expect(await statusOf(host, 'client')).toMatchObject({ state: 'dormant' });
    expect(teredoAddressNow(host)).toBeUndefined();
  });
});
