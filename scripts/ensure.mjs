/**
 *  Installs missing packages: npm packages of the lock file, and Debian packages if this runs as root on a machine with
 * apt. No dependencies of its own: it runs before there are any.
 */
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { mustRun, root, run } from './run.mjs';

/** The program or file to look for, and the Debian package that has it. */
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
/** Needed to compile the kernel path's programs. */
const COMPILER = {
  clang: 'clang',
  bpftool: 'bpftool',
  '/usr/include/linux/bpf.h': 'linux-libc-dev',
  '/usr/include/bpf/bpf_helpers.h': 'libbpf-dev',
};
/** Needed to boot other kernels. */
const EMULATOR = {
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  cpio: 'cpio',
  depmod: 'kmod',
};
/** Needed to make packages. */
const PACKAGING = {
  scdoc: 'scdoc',
  mmdebstrap: 'mmdebstrap',
  'dpkg-deb': 'dpkg',
  'x86_64-linux-gnu-strip': 'binutils-x86-64-linux-gnu',
  'aarch64-linux-gnu-strip': 'binutils-aarch64-linux-gnu',
};
/** Needed by tests that run only with `TEREDO_TEST_ALL=1`. */
const LONG_TESTS = {
  '/usr/share/bash-completion/bash_completion': 'bash-completion',
  zsh: 'zsh',
  fish: 'fish',
  ...PACKAGING,
  lintian: 'lintian',
  umoci: 'umoci',
  'qemu-aarch64-static': 'qemu-user-static',
  man: 'man-db',
  apparmor_parser: 'apparmor',
  bird: 'bird2',
  prometheus: 'prometheus',
  promtool: 'prometheus',
  chromium: 'chromium',
  slirp4netns: 'slirp4netns',
  pasta: 'passt',
  podman: 'podman',
  crun: 'crun',
  busybox: 'busybox-static',
  curl: 'curl',
  '/usr/sbin/sshd': 'openssh-server',
  ssh: 'openssh-client',
  '/bin/nc.openbsd': 'netcat-openbsd',
  dnsmasq: 'dnsmasq-base',
};
const PACKAGES = { ...PROGRAMS, ...COMPILER, ...EMULATOR, ...LONG_TESTS };

const isRoot = process.getuid?.() === 0;

/** Installs npm packages if the lock file is newer than they are. */
export function ensurePackages() {
  const installed = join(root, 'node_modules', '.teredo-installed');
  const lock = join(root, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  process.stderr.write('installing npm packages\n');
  mustRun('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error']);
  // A mark of this script: npm's own file may keep the time of the lock file from which it was made.
  writeFileSync(join(root, 'node_modules', '.teredo-installed'), '');
}

/** Installs the Debian packages of these programs if this runs as root; otherwise prints their names. Whether all programs are there. */
export function ensurePrograms(names) {
  const missing = names.filter((name) => !isOnPath(name));
  if (missing.length > 0 && isRoot && isOnPath('apt-get')) install(packagesOf(missing));
  const left = packagesOf(missing.filter((name) => !isOnPath(name)));
  if (left.length > 0)
    process.stderr.write(`missing: ${left.join(', ')}; as root: apt-get install ${left.join(' ')}\n`);
  return left.length === 0;
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
  // Disables them at the next start of the machine, too: the tests run these programs themselves, in namespaces.
  const added = enabledServices().filter((name) => packages.includes(name) && !before.includes(name));
  if (added.length > 0) run('systemctl', ['disable', '--quiet', ...added], options);
}

export const TEST_PROGRAMS = Object.keys({ ...PROGRAMS, ...COMPILER });
export const LONG_TEST_PROGRAMS = Object.keys(LONG_TESTS);
export const PACKAGE_PROGRAMS = Object.keys(PACKAGING);
export const BPF_PROGRAMS = Object.keys(COMPILER);
export const EMULATOR_PROGRAMS = Object.keys(EMULATOR);
export const DEMO_PROGRAMS = ['ip', 'sysctl', 'nft', 'ping'];

/** Packages of daemons start them when installed; a policy script prevents that (man 8 invoke-rc.d). */
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

/** Units that start with the machine; none without systemd. */
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
    return false; // no such folder, so no lists
  }
}

function isOnPath(name) {
  if (name.startsWith('/')) return existsSync(name);
  const path = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];
  return path.some((folder) => folder !== '' && existsSync(join(folder, name)));
}
