import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { sys } from '../linux/libc.ts';
import { enterNewNetwork } from '../linux/netns.ts';
import { EnvironmentError } from './errors.ts';
import { kernelPorts } from './kernel-ports.ts';

const LOOPBACK = 0x7f000001;
const CLONE_NEWNS = 0x20000;
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

const ports = kernelPorts();

describe('errors name the problem and the remedy', () => {
  test('a port that is taken: by which process', async () => {
    const other = createSocket('udp4');
    other.bind(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { port } = other.address();

    const error = refusal(() => ports.openUdp({ address: LOOPBACK, port }));
    expect(error.code).toBe('port-taken');
    expect(error.message).toMatch(`UDP port ${port} of 127.0.0.1 is taken (by pid ${process.pid}, `);
    expect(error.message).toMatch(/: end that program, or use another --port$/);
    expect(refusal(() => ports.openUdp({ address: 0, port })).message).toMatch(
      `UDP port ${port} is taken (by`,
    );
  });

  test('no process is named for one port of many: the search takes long', async () => {
    const other = createSocket('udp4');
    other.bind(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { port } = other.address();
    const error = refusal(() => ports.openUdp({ address: LOOPBACK, port, few: true }));
    expect(error.message).toBe('the system refused: bind: EADDRINUSE');
  });

  test('an address that is not of this host', () => {
    expect(refusal(() => ports.openUdp({ address: 0xc0000209, port: 0 }))).toMatchObject({
      code: 'not-local',
      message: '192.0.2.9 is not an address of this host: "ip -4 address" lists those it has',
    });
  });
});

test('a kernel without such sockets', () => {
  const open = sys.socket.bind(sys);
  const NO_FAMILY = 255;
  const socket = vi.spyOn(sys, 'socket').mockImplementation((_, type) => open(NO_FAMILY, type, 0));
  onTestFinished(() => socket.mockRestore());
  for (const ask of [
    () => ports.openNetworkMonitor(),
    () => ports.network.sourceAddress(0xc0000209),
    () => ports.tunnelHost.tunnelState('lo'),
  ])
    expect(refusal(ask)).toMatchObject({
      code: 'system',
      message: 'the system refused: socket: EAFNOSUPPORT',
    });
});

describe.skipIf(!isRoot)('tunnel and raw sockets (needs root)', () => {
  beforeAll(enterNewNetwork);

  test('a discovery port that another program has on all addresses: the consequence, and the remedy', async () => {
    execFileSync('ip', ['link', 'set', 'lo', 'up']);
    const other = createSocket('udp4');
    other.bind(3544);
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const error = refusal(() => ports.openDiscovery(LOOPBACK));
    expect(error.code).toBe('port-taken');
    expect(error.message).toMatch(/^clients on the same link will not be found: .* --no-local-discovery$/);
  });

  test('a kernel path that cannot be opened leaves nothing open, at whatever step it failed', () => {
    const tun = ports.openTun('tdpath');
    onTestFinished(() => tun.close());
    const options = {
      tunnel: 'tdpath',
      local: { address: 0, port: 4_000 },
      role: 'client',
      peers: 16,
    } as const;
    const descriptors = (): string[] => readdirSync('/proc/self/fd');
    ports.openKernelPath(options).close(); // libraries are loaded only once
    const before = descriptors();
    const open = sys.socket.bind(sys);
    let [failing, refused] = [0, 0];
    const socket = vi.spyOn(sys, 'socket').mockImplementation((domain, type, protocol) => {
      return socket.mock.calls.length === failing ? open(255, type, 0) : open(domain, type, protocol);
    });
    onTestFinished(() => socket.mockRestore());
    for (failing = 1; failing <= 3; failing++) {
      socket.mockClear();
      try {
        ports.openKernelPath(options).close();
      } catch {
        refused++;
      }
      expect(descriptors()).toEqual(before);
    }
    expect(refused).toBe(3);
  });

  test('an interface of another kind', () => {
    execFileSync('ip', ['link', 'add', 'tdother', 'type', 'veth']);
    onTestFinished(() => void execFileSync('ip', ['link', 'delete', 'tdother']));
    expect(refusal(() => ports.openTun('tdother'))).toMatchObject({ code: 'interface-taken' });
    expect(refusal(() => ports.openTun('tdother')).message).toContain('"tdother"');
  });

  test('a name that is too long', () => {
    expect(refusal(() => ports.openTun('n'.repeat(16)))).toMatchObject({ code: 'interface-taken' });
  });

  test('no capabilities: which one', async () => {
    ports.openTun('tdallowed').close();
    process.seteuid!(NOBODY);
    onTestFinished(() => process.seteuid!(0));
    const tun = refusal(() => ports.openTun('tddenied'));
    expect(tun.code).toBe('not-permitted');
    expect(tun.message).toMatch(/^not permitted: a tunnel interface needs root or CAP_NET_ADMIN/);
    const raw = refusal(() => ports.openRawIpv6());
    expect(raw.code).toBe('not-permitted');
    expect(raw.message).toContain('CAP_NET_RAW');
    const port = refusal(() => ports.openUdp({ address: LOOPBACK, port: 500 }));
    expect(port.code).toBe('not-permitted');
    expect(port.message).toContain('CAP_NET_BIND_SERVICE');
    await expect(ports.tunnelHost.addAddress('lo', new Uint8Array(16).fill(0xfd), 128)).rejects.toMatchObject(
      {
        code: 'not-permitted',
      },
    );
  });

  test('no /dev/net/tun', () => {
    hide('/dev/net');
    expect(refusal(() => ports.openTun('tdnone'))).toMatchObject({
      code: 'no-tun',
      message: '/dev/net/tun is missing: "modprobe tun" loads it; a container must be given the device',
    });
  });

  test.each([
    ['a file', () => writeFileSync('/dev/net/tun', '')],
    ['a folder', () => mkdirSync('/dev/net/tun')],
    ['another device', () => symlinkSync('/dev/null', '/dev/net/tun')],
  ])('%s in place of /dev/net/tun', (_, put) => {
    hide('/dev/net');
    put();
    expect(refusal(() => ports.openTun('tdnone'))).toMatchObject({
      code: 'no-tun',
      message: expect.stringMatching(/^\/dev\/net\/tun is not the TUN device/),
    });
  });

  test('works without the program "ip": links and routes are set by netlink', async () => {
    hide('/usr/sbin', '/usr/bin'); // hides "mount", too: this test has to be the last
    const address = new Uint8Array(16).fill(0xfd);
    await ports.tunnelHost.addAddress('lo', address, 128);
    onTestFinished(() => ports.tunnelHost.removeAddress('lo', address, 128));
    expect(ports.tunnelHost.tunnelState('lo')?.addresses).toContainEqual({ address, prefixLength: 128 });
  });
});

/** Mounts an empty file system over directories, for this process until its end. */
function hide(...directories: string[]): void {
  if (sys.unshare(CLONE_NEWNS) < 0) throw new Error('no mount namespace');
  execFileSync('mount', ['--make-rprivate', '/']);
  for (const directory of directories) execFileSync('mount', ['-t', 'tmpfs', 'none', directory]);
}

function refusal(open: () => unknown): EnvironmentError {
  try {
    const opened = open() as { close?: () => void } | undefined;
    opened?.close?.();
  } catch (error) {
    if (error instanceof EnvironmentError) return error;
    throw error;
  }
  throw new Error('was not refused');
}
