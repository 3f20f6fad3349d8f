/**
 * `node scripts/other-kernel.mjs COMMAND [ARG...]`: runs a command as root in this repository on another kernel, in QEMU. The kernel is
 * Debian's (of linux-image-amd64); TEREDO_KERNEL=FILE.deb[:FILE.deb] names other packages, of kernel and modules. The exit status is that
 * of the command; 125 stands for 125 and above.
 *
 * The guest sees this machine's file system; its changes stay in its memory. It has no network. All its instructions are emulated, and its
 * clock counts one nanosecond for each, like a machine of 1 GHz. So no time limit in the guest depends on the speed of this machine.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { EMULATOR_PROGRAMS, ensurePrograms } from './ensure.mjs';
import { mustRun, root } from './run.mjs';

const CACHE = join(root, 'node_modules', '.cache', 'teredo-kernels');
/** Programs that the guest needs until it can read modules from this machine. */
const FIRST_MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];
/** In real time; a guest that hangs is then ended. */
const MOST_SECONDS = Number(process.env.TEREDO_KERNEL_SECONDS ?? 3_600);
const MEGABYTES = 3_072;
/** The port of QEMU's device for exit statuses. QEMU turns a status into an odd number above its own exit statuses. */
const EXIT_PORT = 0xf4;
const toStatus = (ended) => (ended !== null && ended % 2 === 1 && ended > 1 ? (ended - 3) / 2 : undefined);

const command = process.argv.slice(2);
if (command.length === 0) {
  process.stderr.write('usage: node scripts/other-kernel.mjs COMMAND [ARG...]\n');
  process.exit(2);
}
ensurePrograms(EMULATOR_PROGRAMS);
const kernel = unpack((process.env.TEREDO_KERNEL ?? fetchKernel()).split(':'));
const work = mkdtempSync(join(tmpdir(), 'teredo-kernel-'));
try {
  process.exitCode = boot(kernel, makeInitramfs(kernel), command);
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** The newest kernel package of this machine's Debian, fetched once. */
function fetchKernel() {
  mkdirSync(CACHE, { recursive: true });
  const fetched = () => readdirSync(CACHE).find((name) => /^linux-image-.*\.deb$/.test(name));
  if (fetched() === undefined) {
    const quiet = { cwd: CACHE, stdio: ['ignore', 'ignore', 'inherit'] };
    mustRun('apt-get', ['update', '-qq'], quiet);
    const { stdout } = spawnSync('apt-cache', ['depends', 'linux-image-amd64'], { encoding: 'utf8' });
    const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
    if (name === undefined) fail('apt knows no package linux-image-amd64: is this Debian on amd64?');
    mustRun('apt-get', ['download', '-qq', name], quiet);
  }
  return join(CACHE, fetched());
}

/** Unpacks a kernel's packages, and computes the order of its modules. */
function unpack(files) {
  const folder = join(CACHE, basename(files[0], '.deb'));
  if (!existsSync(join(folder, 'ready'))) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const file of files) mustRun('dpkg-deb', ['-x', resolve(file), folder]);
    mustRun('depmod', ['-b', folder, releaseOf(folder)]);
    writeFileSync(join(folder, 'ready'), '');
  }
  return folder;
}

function releaseOf(folder) {
  return readdirSync(join(folder, 'lib', 'modules'))[0];
}

/** A first file system with the modules that give access to this machine's files, and a script that continues there. */
function makeInitramfs(folder) {
  const modules = join(folder, 'lib', 'modules', releaseOf(folder));
  const image = join(work, 'image');
  for (const name of ['bin', 'modules', 'proc', 'sys', 'dev', 'lower', 'upper', 'root'])
    mkdirSync(join(image, name), { recursive: true });
  copy('/bin/busybox', join(image, 'bin', 'busybox'));
  const needed = withNeeded(readFileSync(join(modules, 'modules.dep'), 'utf8'), FIRST_MODULES);
  needed.forEach((path) => copy(join(modules, path), join(image, 'modules', basename(path))));
  writeFileSync(join(image, 'init'), firstScript(needed.map((path) => basename(path))), { mode: 0o755 });
  const names = spawnSync('find', ['.'], { cwd: image }).stdout;
  const { stdout } = spawnSync('cpio', ['-o', '-H', 'newc', '--quiet'], {
    cwd: image,
    input: names,
    maxBuffer: 1 << 30,
  });
  const file = join(work, 'initramfs.gz');
  writeFileSync(file, gzipSync(stdout, { level: 1 }));
  return file;
}

/** Files of these modules and of those that they need, in the order of loading; modules that are built in have none. */
function withNeeded(dependencies, names) {
  const lines = dependencies.split('\n').map((line) => line.split(/:? /).filter((path) => path !== ''));
  const found = names.flatMap((name) => {
    const line = lines.find(
      ([path]) => path !== undefined && basename(path.replace(/:$/, '')) === `${name}.ko`,
    );
    return (line ?? []).map((path) => path.replace(/:$/, '')).toReversed();
  });
  return [...new Set(found)];
}

function firstScript(modules) {
  const ninep = 'trans=virtio,version=9p2000.L,msize=512000,ro';
  return `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
exec >/dev/ttyS1 2>&1
mount -t proc proc /proc
mount -t sysfs sys /sys
for m in ${modules.join(' ')}; do insmod /modules/$m || poweroff -f; done
mount -t 9p -o ${ninep},cache=loose root /lower || poweroff -f
mount -t tmpfs upper /upper
mkdir /upper/files /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work all /root || poweroff -f
for m in proc sys dev; do mount --move /$m /root/$m; done
mount -t tmpfs run /root/run
mount -t tmpfs shm /root/dev/shm 2>/dev/null
mkdir -p /root/dev/pts
mount -t devpts pts /root/dev/pts
mount -t bpf bpf /root/sys/fs/bpf
mount -t cgroup2 cgroup /root/sys/fs/cgroup
mkdir -p /root/lib/modules
mount -t 9p -o ${ninep},cache=loose modules /root/lib/modules || poweroff -f
mount -t 9p -o ${ninep} command /root/mnt || poweroff -f
exec switch_root /root /bin/sh /mnt/second
`;
}

/** The script that the guest runs on this machine's files, as process 1. */
function secondScript(words) {
  const quoted = words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ');
  return `exec >/dev/ttyS1 2>&1 </dev/null
stty -F /dev/ttyS1 raw
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
${passedOn()}
modprobe tun
chmod 666 /dev/net/tun # as udev does
ip link set lo up
cd '${root}'
echo "kernel $(uname -r)"
(${quoted}; echo $? >/run/status) 2>&1 | cat
status=$(cat /run/status)
sleep 0.2
[ $status -gt 125 ] && status=125
printf "\\\\$(printf %o $((status + 1)))" | dd of=/dev/port bs=1 seek=${EXIT_PORT} 2>/dev/null
`;
}

/** Passes settings of tests to the guest. */
function passedOn() {
  return Object.entries(process.env)
    .filter(([name]) => name.startsWith('TEREDO_TEST_'))
    .map(([name, value]) => `export ${name}='${value}'`)
    .join('\n');
}

/** The exit status of the command. */
function boot(folder, initramfs, words) {
  const shared = join(work, 'command');
  mkdirSync(shared);
  writeFileSync(join(shared, 'second'), secondScript(words));
  const log = join(work, 'console.log');
  const share = (path, tag) => [
    '-virtfs',
    `local,path=${path},mount_tag=${tag},multidevs=remap,security_model=none,readonly=on`,
  ];
  const args = [
    ...['-accel', 'tcg,thread=single', '-icount', 'shift=0,sleep=on', '-cpu', 'max', '-smp', '1'],
    ...['-m', String(MEGABYTES), '-no-reboot', '-nodefaults', '-display', 'none'],
    ...['-serial', `file:${log}`, '-serial', 'stdio'],
    ...['-device', `isa-debug-exit,iobase=${EXIT_PORT},iosize=1`],
    ...['-kernel', join(folder, 'boot', `vmlinuz-${releaseOf(folder)}`), '-initrd', initramfs],
    ...['-append', 'console=ttyS0 loglevel=4 panic=-1'],
    ...share('/', 'root'),
    ...share(join(folder, 'lib', 'modules'), 'modules'),
    ...share(shared, 'command'),
  ];
  const { status, error } = spawnSync('qemu-system-x86_64', args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: MOST_SECONDS * 1_000,
  });
  const given = toStatus(status);
  if (given !== undefined) return given;
  const why =
    error?.code === 'ETIMEDOUT' ? `not done within ${MOST_SECONDS} s` : 'the guest ended without a status';
  process.stderr.write(`${why}; the last lines of its console:\n${lastLines(log)}\n`);
  return 1;
}

function lastLines(file) {
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-20).join('\n') : '';
}

function copy(from, to) {
  writeFileSync(to, readFileSync(from), { mode: 0o755 });
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
