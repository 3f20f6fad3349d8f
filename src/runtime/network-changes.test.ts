import { expect, onTestFinished, test } from 'vitest';
import { seededEntropy, v4, v6 } from '../../test/support/client-rig.ts';
import { MemoryClock } from '../io/memory-clock.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import { Relay } from './relay.ts';

const ADDRESS = v4('192.0.2.10');
const [ONE, OTHER] = [v6('2001:db8::1'), v6('2001:db8::2')];

function host() {
  const clock = new MemoryClock();
  const ports = new MemoryPorts(new MemoryIpv4Network(), [ADDRESS], seededEntropy(1), clock);
  return { clock, ports };
}

test("a host relay looks at the host's addresses when changes have come to rest, and after a second at the latest", async () => {
  const { clock, ports } = host();
  ports.network.nativeAddresses = [ONE];
  const relay = new Relay({ address: 0, port: 3545, interface: 'teredo', dataPath: 'auto' }, ports);
  onTestFinished(() => relay.close());
  await relay.start();
  const [fastPath] = ports.fastPaths;
  const served: string[] = [];
  fastPath!.setServed = (prefixes) => served.push(`${clock.now()}: ${prefixes.length}`);
  ports.network.nativeAddresses = [ONE, OTHER];
  for (let i = 0; i < 120; i++) {
    ports.networkChanged();
    clock.advance(10);
  }
  clock.advance(1_000);
  expect(served).toEqual(['1000: 2', '1290: 2']);
});
