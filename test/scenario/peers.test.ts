import { describe, expect } from 'vitest';
import { Internet } from '../../src/sim/index.ts';
import { makeTeredoAddress } from '../../src/wire/index.ts';
import { expectQualifiedSoon, expectReply } from './support/expectations.ts';
import { seededTest } from './support/with-seed.ts';
import { WireLog } from './support/wire-log.ts';

describe('a peer that does not answer', () => {
  // CL-93, CL-94
  seededTest('gets four rounds of bubbles in 300 s, then four more', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const client = net.addClient({ behind: 'portRestricted' });
    expectQualifiedSoon(net.world, client);
    const mute = {
      server: net.servers[0]!.host.addresses[0]!,
      flags: 0,
      mappedAddress: 0x05ffff01,
      mappedPort: 40_000,
    };
    const target = makeTeredoAddress(mute);
    const log = new WireLog(net.world, client.host.attachment);
    const started = net.world.now;
    const ask = (): void => {
      client.ipv6.ping(target);
      net.world.after(100, ask);
    };
    ask();
    net.world.runFor(290_000);
    const direct = (): number[] =>
      log.entries
        .filter(({ kind, datagram }) => kind === 'bubble' && datagram.destination === mute.mappedAddress)
        .map(({ at }) => at);
    const indirect = log.entries.filter(
      ({ kind, datagram }) => kind === 'bubble' && datagram.destination === mute.server,
    );
    expect(direct().map((at) => at - started)).toEqual([0, 2_000, 4_000, 6_000]);
    expect(indirect).toHaveLength(4);
    expect(log.entries.filter(({ kind }) => kind === 'echo-request' || kind === 'data')).toEqual([]);
    net.world.runFor(30_000);
    expect(direct()).toHaveLength(8);
    expect(direct()[4]! - started).toBeGreaterThanOrEqual(300_000);
  });

  //
  seededTest('gets four bubbles of a relay, which reports it as unreachable', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const { relay } = net.addRelay();
    const native = net.addNativeHost();
    const client = net.addClient({ behind: 'portRestricted' });
    expectQualifiedSoon(net.world, client);
    const target = client.ipv6.address;
    client.host.link.up = false;
    const log = new WireLog(net.world, relay.host.attachment);
    for (let i = 0; i < 600; i++) net.world.after(100 * i, () => native.ping(target));
    net.world.runFor(60_000);
    const times = log.times('bubble');
    expect(times.map((at) => at - times[0]!)).toEqual([0, 2_000, 4_000, 6_000]);
    expect(native.errors.length).toBeGreaterThan(0);
    expect(native.errors.every(({ type, code }) => type === 1 && code === 3)).toBe(true);
  });
});

describe('a peer that was silent', () => {
  // CL-60
  for (const [silence, bubbles] of [
    [29_000, false],
    // 2 s after the last packet each of them has answered a bubble of the other one.
    [33_000, true],
  ] as const) {
    seededTest(`for ${silence / 1000} s is ${bubbles ? 'contacted again' : 'sent to at once'}`, (seed) => {
      const net = new Internet({ seed });
      net.addServer();
      const a = net.addClient({ behind: 'portRestricted' });
      const b = net.addClient({ behind: 'portRestricted' });
      expectQualifiedSoon(net.world, a, b);
      expectReply(net.world, a.ipv6.ping(b.ipv6.address), 1_000);
      net.world.runFor(silence);
      const log = new WireLog(net.world, a.host.attachment);
      const ping = a.ipv6.ping(b.ipv6.address);
      net.world.step();
      net.world.runFor(1);
      expect(log.times('echo-request')).toHaveLength(bubbles ? 0 : 1);
      expectReply(net.world, ping, 1_000);
      expect(log.times('bubble').length > 0).toBe(true);
    });
  }
});

describe('a host-specific relay', () => {
  // H: only the host's own addresses are served.
  seededTest('forwards no packets of other hosts', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const { relay, host } = net.addHostRelay();
    const third = net.addNativeHost();
    const client = net.addClient({ behind: 'portRestricted' });
    expectQualifiedSoon(net.world, client);
    expectReply(net.world, host.ping(client.ipv6.address), 2_000);
    // To the relay, from the client's own address and port, so that only the destination is wrong.
    const packets: Uint8Array[] = [];
    client.ipv6.sendTaps.push((packet) => packets.push(packet));
    client.ipv6.ping(third.address);
    const dropped = relay.machine.counters.droppedNotServed;
    const { mapped } = client.status;
    relay.node.handleDatagram(0, packets[0]!, mapped!.address, mapped!.port);
    // And from outside: packets of another host to the client.
    third.output = relay.handlePacket;
    third.ping(client.ipv6.address);
    net.world.runFor(5_000);
    expect(relay.machine.counters.droppedNotServed).toBe(dropped + 1);
    // The host's replies to the client's connectivity tests go through the relay, too.
    expect(third.counters.sent).toBeGreaterThan(0);
    expect(relay.machine.counters.droppedForeignSource).toBe(third.counters.sent);
    expect(host.counters.notOurs).toBe(0);
  });
});
