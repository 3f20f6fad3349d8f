/**
 * Installs what is missing: the npm packages of the lock file, and Debian packages where this runs as root on a machine with
 * apt. No dependencies of its own: it runs before there are any.
 */
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { mustRun, root, run } from './run.mjs';

/** Program looked for, and the Debian package that has it. */
const PROGRAMS = {
  ip: 'iproute2',
  nft: 'nftables',
  ping: 'iputils-ping',
  conntrack: 'conntrack',
  tcpdump: 'tcpdump',
  tshark: 'tshark',
  iperf3: 'iperf3',
  miredo: 'miredo',
  'miredo-server': 'miredo-server',
};

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

/** Debian packages for these programs; returns the programs that stay missing. */
export function ensurePrograms(names) {
  const missing = names.filter((name) => !isOnPath(name));
  if (missing.length === 0 || !isRoot || !isOnPath('apt-get')) return missing;
  const packages = [...new Set(missing.map((name) => PROGRAMS[name]))];
  process.stderr.write(`installing Debian packages: ${packages.join(' ')}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quiet = { env, stdio: ['ignore', 'ignore', 'inherit'] };
  if (!hasPackageLists()) run('apt-get', ['update', '-qq'], quiet);
  withoutServices(() => {
    const install = ['install', '-y', '-qq', '--no-install-recommends', ...packages];
    if (run('apt-get', install, quiet) !== 0) {
      run('apt-get', ['update', '-qq'], quiet);
      run('apt-get', install, quiet);
    }
  });
  return missing.filter((name) => !isOnPath(name));
}

export const TEST_PROGRAMS = Object.keys(PROGRAMS);
export const DEMO_PROGRAMS = ['ip', 'nft', 'ping'];

/** Packages of daemons start them when installed; a policy that says no (Debian policy 9.3.3) keeps them still. */
function withoutServices(install) {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    install();
  } finally {
    if (ours) rmSync(policy, { force: true });
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
  const path = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];
  return path.some((folder) => folder !== '' && existsSync(join(folder, name)));
}
