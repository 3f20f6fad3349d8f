import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Capture, Internet } from '../../src/sim/index.ts';
import { expectQualifiedSoon, expectReply } from './support/expectations.ts';

function hasTshark(): boolean {
  try {
    execFileSync('tshark', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('a capture', () => {
  test('of nothing is an empty file', () => {
    const { world } = new Internet();
    expect(new Capture(world).toPcap()).toHaveLength(24);
  });

  test('of a node has the datagrams that it sent and received', () => {
    const net = new Internet();
    net.addServer();
    const client = net.addClient();
    const capture = new Capture(net.world, client.host.attachment);
    expectQualifiedSoon(net.world, client);
    // Two solicitations, two advertisements; the first solicitation left at once, before the capture began.
    expect(capture.length).toBeGreaterThanOrEqual(3);
  });

  test('is recognised by tshark as Teredo, without malformed packets', ({ skip }) => {
    if (!hasTshark()) skip('tshark is not installed');
    const file = join(mkdtempSync(join(tmpdir(), 'teredo-pcap-')), 'sim.pcap');
    try {
      const packets = writeCapture(file);
      const rows = tshark(file, [
        '-T',
        'fields',
        '-e',
        'frame.protocols',
        '-e',
        'udp.checksum.status',
        '-e',
        'ip.checksum.status',
        '-e',
        '_ws.malformed',
        '-e',
        'icmpv6.checksum.status',
      ])
        .trimEnd()
        .split('\n');
      expect(rows).toHaveLength(packets);
      for (const row of rows) {
        const [protocols, udp, ip, malformed, icmpv6] = row.split('\t');
        expect(protocols).toContain('teredo:ipv6');
        // 1 is "good".
        expect([udp, ip, malformed]).toEqual(['1', '1', '']);
        expect(['', '1']).toContain(icmpv6);
      }
      // Warnings and errors.
      expect(tshark(file, ['-Y', '_ws.expert.severity >= 0x00600000'])).toBe('');
    } finally {
      rmSync(join(file, '..'), { recursive: true });
    }
  });
});

/** Qualification, two clients, a native host in both directions; returns the number of datagrams. */
function writeCapture(file: string): number {
  const net = new Internet();
  net.addServer();
  net.addRelay();
  const native = net.addNativeHost();
  const capture = new Capture(net.world, net.ipv4);
  const a = net.addClient({ behind: 'portRestricted' });
  const b = net.addClient({ behind: 'portRestricted' });
  expectQualifiedSoon(net.world, a, b);
  expectReply(net.world, a.ipv6.ping(b.ipv6.address), 1_000);
  expectReply(net.world, a.ipv6.ping(native.address), 2_000);
  expectReply(net.world, native.ping(b.ipv6.address), 2_000);
  native.ping(b.ipv6.address, { size: 1_001 });
  net.world.runFor(61_000);
  writeFileSync(file, capture.toPcap());
  return capture.length;
}

function tshark(file: string, options: readonly string[]): string {
  const checks = ['udp.check_checksum:TRUE', 'ip.check_checksum:TRUE'];
  // Clients and relays use any port.
  // tshark recognises bubbles with trailers by their port only.
  const decode = ['-d', 'udp.port==1024-65535,teredo'];
  const preferences = checks.flatMap((check) => ['-o', check]);
  return execFileSync('tshark', ['-n', '-r', file, ...preferences, ...decode, ...options], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}
