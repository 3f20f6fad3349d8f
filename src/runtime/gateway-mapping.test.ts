import { expect, onTestFinished, test } from 'vitest';
import { MemoryClock } from '../io/memory-clock.ts';
import { onSystemFailure } from '../io/system-failures.ts';
import type { MapAnswer, PortMapper, PortMapping } from '../io/ports.ts';
import { parseIpv4 } from '../wire/index.ts';
import { GatewayMapping } from './gateway-mapping.ts';

const HOUR = 3_600_000;
const MAPPING: PortMapping = {
  protocol: 'pcp',
  external: { address: parseIpv4('192.0.2.1')!, port: 40_000 },
  lifetimeMs: HOUR / 2,
};

/** Of any range it takes the end. */
const LATEST = { fill: (target: Uint8Array) => void target.fill(0xff) };

/** A gateway that answers as the test wants, and notes the requests. */
class Gateway implements PortMapper {
  readonly log: string[] = [];
  asked: Promise<boolean> = Promise.resolve(true);
  /** Announces that it has forgotten its mapping. */
  announce: () => void = () => undefined;
  answers: (MapAnswer | Promise<MapAnswer>)[] = [];
  hadShortage = false;
  /** How long a release takes. */
  released: Promise<void> = Promise.resolve();

  async map(): Promise<MapAnswer> {
    this.log.push('map');
    return await this.answers.shift();
  }

  watch(onForgotten: () => void): void {
    this.announce = onForgotten;
  }

  async release(): Promise<void> {
    this.log.push('release');
    await this.released;
    this.log.push('released');
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
    LATEST,
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
    LATEST,
    () => undefined,
    () => {},
  );
  expect(without.begin()).toBeUndefined();
});

test('it is renewed at half its lifetime, and an unchanged mapping is not reported', async () => {
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

test('where it is renewed no longer a gateway is looked for again', async () => {
  const { mapping, clock, changes, opened } = rig(MAPPING, undefined, { ...MAPPING, protocol: 'upnp' });
  await mapping.begin();
  clock.advance(HOUR / 4);
  await settled();
  expect(changes).toEqual(['pcp', undefined, 'upnp']);
  expect(opened()).toBe(2);
});

test('a gateway that is mute for a while takes nothing away', async () => {
  const { mapping, clock, gateway, changes, opened } = rig(MAPPING, 'silent', 'silent', 'silent', MAPPING);
  await mapping.begin();
  clock.advance(HOUR / 4);
  await settled();
  for (const seconds of [4, 8, 16]) {
    clock.advance(seconds * 1_000 - 1);
    await settled();
    const { length } = gateway.log;
    clock.advance(1);
    await settled();
    expect(gateway.log.length).toBe(length + 1);
  }
  clock.advance(HOUR / 4 - 1);
  await settled();
  expect(gateway.log).toEqual(Array.from({ length: 5 }, () => 'map'));
  expect({ changes, opened: opened() }).toEqual({ changes: ['pcp'], opened: 1 });
});

test.for([
  ['its life', MAPPING.lifetimeMs, 15, 20],
  ['two hours, where it holds for good', Infinity, 15, 25],
] as const)(
  'it is asked ever again until the end of %s, and not in a flood then',
  async ([, lifetimeMs, least, most]) => {
    const { mapping, clock, gateway, changes, opened } = rig({ ...MAPPING, lifetimeMs });
    gateway.answers.push(...Array.from({ length: 50 }, () => 'silent' as const));
    await mapping.begin();
    const begun = clock.now();
    const asked: number[] = [];
    const renewAt = Math.min(HOUR / 2, lifetimeMs / 2);
    for (let at = 1_000; at < Math.min(2 * HOUR, lifetimeMs); at += 1_000) {
      clock.advance(1_000);
      await settled();
      while (asked.length < gateway.log.length - 1) asked.push(clock.now() - begun);
    }
    expect(asked[0]).toBe(renewAt);
    expect(asked.length).toBeGreaterThanOrEqual(least);
    expect(asked.length).toBeLessThanOrEqual(most);
    for (let i = 1; i < asked.length; i++) expect(asked[i]! - asked[i - 1]!).toBeGreaterThanOrEqual(4_000);
    expect({ changes, opened: opened() }).toEqual({ changes: ['pcp'], opened: 1 });
    expect(gateway.log).not.toContain('release');
    clock.advance(1_000);
    await settled();
    expect({ changes, opened: opened() }).toEqual({ changes: ['pcp', undefined], opened: 2 });
  },
);

test('mute when it is asked for the first time, in another network too, it has mapped nothing', async () => {
  const { mapping, clock, gateway, changes } = rig('silent', MAPPING, 'silent', MAPPING);
  await mapping.begin();
  clock.advance(60_000);
  expect(gateway.log).toEqual(['map']);
  expect(changes).toEqual([]);
  mapping.networkChanged();
  await settled();
  expect(changes).toEqual(['pcp']);
  mapping.networkChanged();
  await settled();
  const { length } = gateway.log;
  clock.advance(60_000);
  await settled();
  expect(gateway.log.length).toBe(length);
  expect(changes).toEqual(['pcp', undefined]);
});

test('where there was none one is looked for again after ten minutes', async () => {
  const { mapping, clock, changes } = rig(undefined, MAPPING);
  await mapping.begin();
  clock.advance(HOUR / 6);
  await settled();
  expect(changes).toEqual(['pcp']);
});

test('one that had mapped it is looked for sooner: it may be restarting', async () => {
  const { mapping, clock, changes, opened } = rig(MAPPING, undefined, undefined, undefined, MAPPING);
  await mapping.begin();
  clock.advance(HOUR / 4);
  await settled();
  expect(opened()).toBe(2);
  for (const seconds of [10, 20]) {
    clock.advance(seconds * 1_000);
    await settled();
  }
  expect(opened()).toBe(4);
  expect(changes).toEqual(['pcp', undefined, 'pcp']);
});

test('where the NAT has another mapping for us it is asked again at once', async () => {
  const { mapping, clock, gateway } = rig(MAPPING, MAPPING);
  await mapping.begin();
  mapping.askAgain();
  clock.advance(0);
  expect(gateway.log).toEqual(['map', 'map']);
});

test('a gateway that has restarted is asked again within 5 s: its clients not all at once', async () => {
  const { mapping, clock, gateway } = rig(MAPPING, MAPPING);
  await mapping.begin();
  gateway.announce();
  clock.advance(4_990);
  expect(gateway.log).toEqual(['map']);
  clock.advance(10);
  expect(gateway.log).toEqual(['map', 'map']);
});

test('at once is sooner than within 5 s', async () => {
  const { mapping, clock, gateway } = rig(MAPPING, MAPPING);
  await mapping.begin();
  gateway.announce();
  mapping.askAgain();
  clock.advance(0);
  await settled();
  clock.advance(9_000);
  expect(gateway.log).toEqual(['map', 'map']);
});

test('endless announcements cause one request in 10 s, and no renewal is put off', async () => {
  const { mapping, clock, gateway } = rig(...Array.from({ length: 100 }, () => MAPPING));
  await mapping.begin();
  for (let ms = 0; ms < 59_000; ms += 100) {
    gateway.announce();
    mapping.askAgain();
    clock.advance(100);
    await settled();
  }
  expect(gateway.log.length).toBeGreaterThan(2);
  expect(gateway.log.length).toBeLessThanOrEqual(1 + 6);
  const before = gateway.log.length;
  clock.advance(HOUR / 4);
  await settled();
  expect(gateway.log.length).toBeGreaterThan(before);
});

test('an announcement while the gateway is being asked is not lost', async () => {
  let answer: () => void = () => undefined;
  const { mapping, clock, gateway } = rig(
    MAPPING,
    new Promise<PortMapping>((resolve) => (answer = () => resolve(MAPPING))),
    MAPPING,
  );
  await mapping.begin();
  clock.advance(HOUR / 4);
  gateway.announce();
  answer();
  await settled();
  expect(gateway.log).toEqual(['map', 'map']);
  clock.advance(5_000);
  expect(gateway.log).toEqual(['map', 'map', 'map']);
});

test('where nothing is mapped, an announcement has a gateway looked for again', async () => {
  const { mapping, clock, gateway, changes, opened } = rig(undefined, MAPPING);
  await mapping.begin();
  gateway.announce();
  clock.advance(5_000);
  await settled();
  expect(opened()).toBe(2);
  expect(changes).toEqual(['pcp']);
});

test('in another network the old mapping is released before a new one is asked for', async () => {
  const { mapping, gateway, changes } = rig(MAPPING, MAPPING);
  await mapping.begin();
  mapping.networkChanged();
  mapping.networkChanged();
  await settled();
  expect(gateway.log).toEqual(['map', 'release', 'released', 'map']);
  expect(changes).toEqual(['pcp', undefined, 'pcp']);
});

test('at rest it is released and not renewed; afterwards it is asked for again', async () => {
  const { mapping, clock, gateway, changes } = rig(MAPPING, MAPPING);
  await mapping.begin();
  mapping.rest();
  clock.advance(HOUR);
  mapping.askAgain();
  gateway.announce();
  await settled();
  clock.advance(HOUR);
  await settled();
  expect(gateway.log).toEqual(['map', 'release', 'released']);
  expect(changes).toEqual(['pcp', undefined]);
  mapping.networkChanged();
  await settled();
  expect(gateway.log.slice(3)).toEqual(['map']);
  expect(mapping.mapping).toEqual(MAPPING);
});

test('a rest that begins while the one before it ends leaves nothing mapped', async () => {
  const { mapping, gateway } = rig(MAPPING, MAPPING);
  await mapping.begin();
  const finish = slowRelease(gateway);
  mapping.networkChanged();
  await settled();
  mapping.rest();
  finish();
  await settled();
  expect(gateway.log).toEqual(['map', 'release', 'released']);
  expect(mapping.mapping).toBeUndefined();
});

test('E-51: the end releases it, and nothing comes after', async () => {
  const { mapping, clock, gateway } = rig(MAPPING);
  await mapping.begin();
  await mapping.close();
  mapping.networkChanged();
  mapping.askAgain();
  gateway.announce();
  clock.advance(HOUR);
  await settled();
  expect(gateway.log).toEqual(['map', 'release', 'released']);
});

test('a release that takes its time, of a network before the last, is over before a mapping is asked for', async () => {
  const { mapping, gateway } = rig(MAPPING, MAPPING);
  await mapping.begin();
  const finish = slowRelease(gateway);
  mapping.networkChanged();
  await settled();
  mapping.networkChanged();
  await settled();
  expect(gateway.log).toEqual(['map', 'release']);
  finish();
  await settled();
  expect(gateway.log).toEqual(['map', 'release', 'released', 'map']);
  expect(mapping.mapping).toEqual(MAPPING);
});

test('E-51: the end waits for a release that is under way, for 4.25 s at most', async () => {
  for (const isSlow of [true, false]) {
    const { mapping, clock, gateway } = rig(MAPPING);
    await mapping.begin();
    const finish = slowRelease(gateway);
    mapping.networkChanged();
    await settled();
    let isClosed = false;
    const closed = mapping.close().then(() => (isClosed = true));
    clock.advance(4_249);
    await settled();
    expect(isClosed).toBe(false);
    if (isSlow) clock.advance(1);
    else finish();
    await closed;
  }
});

test('a mapper that never answers is given up after a minute, and another is asked later', async () => {
  const { mapping, clock, gateway, opened } = rig(MAPPING, new Promise(() => {}), MAPPING);
  await mapping.begin();
  clock.advance(HOUR / 4);
  await settled();
  expect(gateway.log).toEqual(['map', 'map']);
  clock.advance(60_000);
  await settled();
  expect(opened()).toBe(2);
  expect(gateway.log).toEqual(['map', 'map', 'release', 'released', 'map']);
  expect(mapping.mapping).toEqual(MAPPING);
});

test('a mapper that rejects ends nothing', async () => {
  const { mapping, clock, gateway } = rig(MAPPING, Promise.reject(new Error('EMFILE')), MAPPING);
  await mapping.begin();
  clock.advance(HOUR / 4);
  await settled();
  expect(mapping.mapping).toEqual(MAPPING);
  gateway.released = Promise.reject(new Error('EMFILE'));
  await mapping.close();
});

/** Returns a function that ends it. */
function slowRelease(gateway: Gateway): () => void {
  let finish: () => void = () => undefined;
  gateway.released = new Promise((resolve) => (finish = resolve));
  return () => finish();
}

test('a way to the gateway that could not be looked for is looked for again, and said to be missing as often', async () => {
  const clock = new MemoryClock();
  const gateway = new Gateway();
  gateway.answers = [MAPPING];
  const short = Object.assign(new Error('RTM_GETROUTE: ENOBUFS'), { errno: 105, code: 'ENOBUFS' });
  const failures: (Error | undefined)[] = [short, short, undefined];
  const told: Error[] = [];
  onTestFinished(onSystemFailure((error) => told.push(error)));
  const open = (): PortMapper => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
    return gateway;
  };
  const mapping = new GatewayMapping(clock, LATEST, open, () => undefined);
  void mapping.begin();
  for (let i = 0; i < 40; i++) {
    clock.advance(1_000);
    await Promise.resolve();
  }
  expect(mapping.mapping).toEqual(MAPPING);
  expect([failures.length, told]).toEqual([0, [short, short]]);
  await mapping.close();
});

test('no mapping because this host lacked descriptors: the gateway is asked again after 10, 20, 40 s, then as usual', async () => {
  const { mapping, clock, gateway, opened } = rig(undefined, undefined, undefined, undefined, MAPPING);
  gateway.hadShortage = true;
  await mapping.begin();
  const asked: number[] = [];
  for (let second = 0; second < 75; second++) {
    const before = opened();
    clock.advance(1_000);
    await settled();
    if (opened() > before) asked.push(clock.now() / 1_000);
    if (opened() === 4) gateway.hadShortage = false;
  }
  expect(asked).toEqual([10, 30, 70]);
  clock.advance(600_000);
  await settled();
  expect(mapping.mapping).toEqual(MAPPING);
});
