import { expect, test } from 'vitest';
import { MemoryClock } from '../io/memory-clock.ts';
import type { PortMapper, PortMapping } from '../io/ports.ts';
import { parseIpv4 } from '../wire/index.ts';
import { GatewayMapping } from './gateway-mapping.ts';

const HOUR = 3_600_000;
const MAPPING: PortMapping = {
  protocol: 'pcp',
  external: { address: parseIpv4('192.0.2.1')!, port: 40_000 },
  lifetimeMs: HOUR / 2,
};

/** A gateway that says what it is told to, and writes down what it is asked. */
class Gateway implements PortMapper {
  readonly log: string[] = [];
  asked: Promise<boolean> = Promise.resolve(true);
  answers: (PortMapping | undefined | Promise<undefined>)[] = [];

  async map(): Promise<PortMapping | undefined> {
    this.log.push('map');
    return await this.answers.shift();
  }

  async release(): Promise<void> {
    this.log.push('release');
  }
}

function rig(...answers: Gateway['answers']) {
  const clock = new MemoryClock();
  const gateway = new Gateway();
  gateway.answers = answers;
  const changes: (string | undefined)[] = [];
  let opened = 0;
  const mapping = new GatewayMapping(
    clock,
    () => {
      opened++;
      return gateway;
    },
    (now) => void changes.push(now?.protocol),
  );
  return { clock, gateway, changes, mapping, opened: () => opened };
}

/** All promises that are settled have been looked at. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('qualification waits for the mapping', async () => {
  const { mapping, changes } = rig(MAPPING);
  await mapping.begin();
  expect(mapping.mapping).toEqual(MAPPING);
  expect(changes).toEqual(['pcp']);
});

test('E-41: but for 250 ms at most', async () => {
  const { mapping, clock } = rig(new Promise(() => {}));
  let isOver = false;
  const begun = mapping.begin()!.then(() => (isOver = true));
  await settled();
  clock.advance(249);
  await settled();
  expect(isOver).toBe(false);
  clock.advance(1);
  await begun;
});

test('and not at all where the gateway refuses to be asked, or there is none', async () => {
  const { mapping, gateway } = rig(new Promise(() => {}));
  gateway.asked = Promise.resolve(false);
  await mapping.begin();
  const without = new GatewayMapping(
    new MemoryClock(),
    () => undefined,
    () => {},
  );
  expect(without.begin()).toBeUndefined();
});

test('it is renewed at half its lifetime, and nothing is said of what stays the same', async () => {
  const { mapping, clock, gateway, changes } = rig(MAPPING, MAPPING);
  await mapping.begin();
  clock.advance(HOUR / 4 - 1);
  expect(gateway.log).toEqual(['map']);
  clock.advance(1);
  await settled();
  expect(gateway.log).toEqual(['map', 'map']);
  expect(changes).toEqual(['pcp']);
});

test('one for good is looked after too: the gateway may have been restarted', async () => {
  const { mapping, clock, gateway } = rig({ ...MAPPING, lifetimeMs: Infinity });
  await mapping.begin();
  clock.advance(HOUR / 2);
  expect(gateway.log).toEqual(['map', 'map']);
});

test('where it is renewed no longer a gateway is looked for anew', async () => {
  const { mapping, clock, changes, opened } = rig(MAPPING, undefined, { ...MAPPING, protocol: 'upnp' });
  await mapping.begin();
  clock.advance(HOUR / 4);
  await settled();
  expect(changes).toEqual(['pcp', undefined, 'upnp']);
  expect(opened()).toBe(2);
});

test('where there was none one is looked for again after ten minutes', async () => {
  const { mapping, clock, changes } = rig(undefined, MAPPING);
  await mapping.begin();
  clock.advance(HOUR / 6);
  await settled();
  expect(changes).toEqual(['pcp']);
});

test('in another network the old mapping is released before a new one is asked for', async () => {
  const { mapping, gateway, changes } = rig(MAPPING, MAPPING);
  await mapping.begin();
  mapping.networkChanged();
  mapping.networkChanged();
  await settled();
  expect(gateway.log).toEqual(['map', 'release', 'map']);
  expect(changes).toEqual(['pcp', undefined, 'pcp']);
});

test('E-51: the end releases it, and nothing comes after', async () => {
  const { mapping, clock, gateway } = rig(MAPPING);
  await mapping.begin();
  await mapping.close();
  mapping.networkChanged();
  clock.advance(HOUR);
  await settled();
  expect(gateway.log).toEqual(['map', 'release']);
});
