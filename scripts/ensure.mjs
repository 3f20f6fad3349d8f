/**
 * Installs what is missing: the npm packages of the lock file, and Debian packages where this runs as root on a machine with
 * apt. No dependencies of its own: it runs before there are any.
 */
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { mustRun, root, run } from './run.mjs';

/** Program or file looked for, and the Debian package that has it. */
const PROGRAMS = {
  ip: 'iproute2',
  sysctl: 'procps',
  nft: 'nftables',
  ping: 'iputils-ping',
  conntrack: 'conntrack',
  tcpdump: 'tcpdump',
  tshark: 'tshark',
  iperf3: 'iperf3',
  ethtool: 'ethtool',
  miredo: 'miredo',
  'miredo-server': 'miredo-server',
  miniupnpd: 'miniupnpd-nftables',
};
/** What the kernel path's programs are made with. */
const COMPILER = {
  clang: 'clang',
  bpftool: 'bpftool',
  '/usr/include/linux/bpf.h': 'linux-libc-dev',
  '/usr/include/bpf/bpf_helpers.h': 'libbpf-dev',
};
/** Other kernels are booted with these. */
const EMULATOR = {
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  cpio: 'cpio',
  depmod: 'kmod',
};
const PACKAGES = { ...PROGRAMS, ...COMPILER, ...EMULATOR };

const isRoot = process.getuid?.() === 0;

/** npm packages: installed when the lock file is newer than what is there. */
export function ensurePackages() {
  const installed = join(root, 'node_modules', '.teredo-installed');
  const lock = join(root, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  process.stderr.write('installing npm packages\n');
  mustRun('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error']);
  // A mark of our own: npm's own file may keep the time of the lock file it was made from.
  writeFileSync(join(root, 'node_modules', '.teredo-installed'), '');
}

/** Debian packages for these programs: installed by root, named to anybody else. */
export function ensurePrograms(names) {
  const missing = names.filter((name) => !isOnPath(name));
  if (missing.length > 0 && isRoot && isOnPath('apt-get')) install(packagesOf(missing));
  const left = packagesOf(missing.filter((name) => !isOnPath(name)));
  if (left.length > 0)
    process.stderr.write(`missing: ${left.join(', ')}; as root: apt-get install ${left.join(' ')}\n`);
}

function packagesOf(names) {
  return [...new Set(names.map((name) => PACKAGES[name]))];
}

function install(packages) {
  process.stderr.write(`installing Debian packages: ${packages.join(' ')}\n`);
  const options = {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'inherit'],
  };
  const aptGet = (...args) => run('apt-get', args, options) === 0;
  if (!hasPackageLists()) aptGet('update', '-qq');
  const before = enabledServices();
  withoutStarting(() => {
    const args = ['install', '-y', '-qq', '--no-install-recommends', ...packages];
    if (!aptGet(...args) && aptGet('update', '-qq')) aptGet(...args);
  });
  // Nor at the next start of the machine: the tests run these programs themselves, in namespaces.
  const added = enabledServices().filter((name) => packages.includes(name) && !before.includes(name));
  if (added.length > 0) run('systemctl', ['disable', '--quiet', ...added], options);
}

export const TEST_PROGRAMS = Object.keys({ ...PROGRAMS, ...COMPILER });
export const BPF_PROGRAMS = Object.keys(COMPILER);
export const EMULATOR_PROGRAMS = Object.keys(EMULATOR);
export const DEMO_PROGRAMS = ['ip', 'sysctl', 'nft', 'ping'];

/** Packages of daemons start them when installed; a policy that says no keeps them still (man 8 invoke-rc.d). */
function withoutStarting(action) {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    action();
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}

/** Units that start with the machine; none where there is no systemd. */
function enabledServices() {
  try {
    return readdirSync('/etc/systemd/system/multi-user.target.wants').map((name) =>
      name.replace(/\.service$/, ''),
    );
  } catch {
    return [];
  }
}

function hasPackageLists() {
  try {
    return readdirSync('/var/lib/apt/lists').some((name) => name.includes('_Packages'));
  } catch {
    return false; // no such folder: no lists
  }
}

function isOnPath(name) {
  if (name.startsWith('/')) return existsSync(name);
  const path = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];
  return path.some((folder) => folder !== '' && existsSync(join(folder, name)));
}
