/** A gateway that opens ports, miniupnpd in the NAT of a site, does not answer a renewal. */
import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, until } from '../../src/lab/index.ts';
import { Gateway } from '../support/miniupnpd.ts';
import { mapped, ownStateDirectory } from '../support/port-mapping.ts';
import { startClient, startServer, statusOf } from '../support/roles.ts';

ownStateDirectory();

/** The mapping is renewed after half of this time. */
const LIFETIME_SECONDS = 32;
/** miniupnpd removes its rules and adds them again when it renews a mapping: the port is not among them meanwhile. */
const RENEWAL_MOST_MS = 1_000;

test('the port stays open all the time', async () => {
  await using net = new Internet();
  const site = net.site('a', 'symmetric-random', { undocumented: true });
  await using gateway = await Gateway.start(site, { lifetimeSeconds: LIFETIME_SECONDS });
  await startServer(net.server, SERVER_ADDRESS);
  const client = await startClient(site.client, SERVER_ADDRESS);
  const { port, portMapping } = await mapped(site);
  const since = performance.now();
  const opened = `${port} to ${site.network}.2:${port}`;
  let seenAt = since;
  const staysOpenFor = (seconds: number) =>
    until(
      'the time',
      async () => {
        const mappings = gateway.mappings();
        if (mappings.length > 0) seenAt = performance.now();
        else expect(performance.now() - seenAt, 'ms without the mapping').toBeLessThan(RENEWAL_MOST_MS);
        expect([[], [opened]]).toContainEqual(mappings);
        expect((await statusOf(site.client, 'client'))?.['portMapping']).toEqual(portMapping);
        return performance.now() - since > seconds * 1_000 || undefined;
      },
      60_000,
    );
  gateway.pause();
  await staysOpenFor(LIFETIME_SECONDS / 2 + 4);
  gateway.resume();
  await staysOpenFor(LIFETIME_SECONDS + 4);
  await client.stop();
  expect(gateway.mappings()).toEqual([]);
});
