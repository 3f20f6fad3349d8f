/** The package for arm64: checked, and its roles run in QEMU's emulation of the processor, with the libraries of the image. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  execute,
  ping,
} from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
/** In the header of an ELF file, at octet 18: the kernel's programs are for the machine in the kernel. */
const MACHINES: Readonly<Record<number, string>> = { 0xb7: 'aarch64', 0xf7: 'bpf' };
const SLOW_MS = 60_000;

describe.skipIf(!IS_ALL || process.getuid?.() !== 0)('the package for arm64', () => {
  let work: string;
  let deb: string;
  let files: string;
  /** Arguments of `qemu-aarch64-static`. */
  const program = (...args: string[]): string[] => [
    '-L',
    files,
    join(files, 'usr/lib/teredo/teredo'),
    ...args,
  ];
  const run = (...args: string[]): string => execute('qemu-aarch64-static', program(...args));

  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'teredo-arm64-'));
    execute(process.execPath, [join(ROOT, 'scripts', 'package.mjs'), '--fast', '--out', work, 'arm64']);
    deb = join(work, `teredo_${version}_arm64.deb`);
    execute('tar', ['-xf', join(work, `teredo_${version}_arm64.oci.tar`), '-C', work]);
    execute('umoci', ['unpack', '--image', `${work}:${version}`, join(work, 'bundle')]);
    files = join(work, 'bundle', 'rootfs');
  }, 900_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }), 300_000);

  test('it is for arm64, with all of its machine code', () => {
    expect(execute('dpkg-deb', ['--field', deb, 'Architecture'])).toBe('arm64\n');
    const unpacked = join(work, 'unpacked');
    execute('dpkg-deb', ['-x', deb, unpacked]);
    expect(machinesIn(unpacked)).toEqual({
      'teredo.bpf.o': 'bpf',
      'server.bpf.o': 'bpf',
      'steer.bpf.o': 'bpf',
      'share.bpf.o': 'bpf',
      'koffi.node': 'aarch64',
      teredo: 'aarch64',
    });
  });

  test('lintian finds nothing but the listed exceptions', { timeout: 300_000 }, () => {
    expect(execute('lintian', ['--allow-root', '--fail-on', 'error,warning', deb])).toBe('');
  });

  test('it prints its version and its help', { timeout: SLOW_MS }, () => {
    expect(run('--version')).toBe(`${version}\n`);
    expect(run('--help')).toContain('netcheck');
  });

  test('server, relay and client carry packets, on the user path', { timeout: 300_000 }, async () => {
    await using net = new Internet();
    const site = net.site('a', 'port-restricted');
    const start = (host: typeof net.server, role: string, ...args: string[]) =>
      host.spawn('qemu-aarch64-static', program(role, '--name', `${host.name}-arm64`, ...args));
    await start(net.server, 'server', '--address', SERVER_ADDRESS).waitFor(/is running/, SLOW_MS);
    await start(net.relay, 'relay', '--address', RELAY_ADDRESS).waitFor(/is running/, SLOW_MS);
    await start(site.client, 'client', '--server', SERVER_ADDRESS).waitFor(/qualified: 2001:0:/, SLOW_MS);
    expect(await ping(site.client, NATIVE_ADDRESS, SLOW_MS)).toBeDefined();
  });
});

/** The machine of each ELF file, by its name. */
function machinesIn(folder: string): Record<string, string | number> {
  const found: Record<string, string | number> = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const octets = readFileSync(join(entry.parentPath, entry.name));
    if (octets.subarray(0, 4).toString('latin1') !== '\x7fELF') continue;
    const machine = octets.readUInt16LE(18);
    found[entry.name] = MACHINES[machine] ?? machine;
  }
  return found;
}
