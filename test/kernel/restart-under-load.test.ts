/** A relay on the kernel path that is restarted under load: the programs of the old process carry until those of the new one do. */
import { expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  ping,
  transfer,
} from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { startClient, startServer, teredoAddress } from '../support/roles.ts';
import { ManagedRole } from '../support/service-manager.ts';

const KERNEL = ['--data-path', 'kernel'];
const BYTES = 4_000_000_000;

test.runIf(IS_ALL)('with TCP both ways no ping is lost, and all data arrive', async () => {
  await using net = new Internet();
  const { client } = net.site('a', 'port-restricted');
  await startServer(net.server, SERVER_ADDRESS);
  const relay = await ManagedRole.start(net.relay, 'relay', ['--address', RELAY_ADDRESS, ...KERNEL]);
  await startClient(client, SERVER_ADDRESS, ...KERNEL);
  const address = await teredoAddress(client);
  expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  const pings = [
    client.spawn('ping', ['-n', '-i', '0.01', '-c', '800', NATIVE_ADDRESS]),
    net.native.spawn('ping', ['-n', '-i', '0.01', '-c', '800', address]),
  ];
  for (const one of pings) await one.waitFor(/icmp_seq=100 /);
  const both = [
    transfer(client, net.native, NATIVE_ADDRESS, BYTES, 100_000),
    transfer(net.native, client, address, BYTES, 100_000),
  ];
  for (const one of pings) await one.waitFor(/icmp_seq=300 /);
  await relay.restart();
  for (const one of pings) {
    await one.exited;
    expect(one.output).toContain(' 800 received');
  }
  for (const one of both) expect(await one).toMatchObject({ whole: true });
  expect(relay.output).toContain('1 peer taken over from the last process');
});
