import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RELAY_ADDRESS, SERVER_ADDRESS, SERVER_SECONDARY } from '../src/lab/index.ts';
import type { Internet, Namespace, Running } from '../src/lab/index.ts';
import { ROOT } from './root.ts';
import type { TeredoVariant } from './seats.ts';

const PROGRAM = join(ROOT, 'bin', 'teredo');

/** Raises the limits, so that they do not determine the result: all requests come from one address. */
const NO_LIMIT = ['answers', 'forwarded'].flatMap((kind) =>
  ['per-second', 'burst'].map((what) => `${kind}.shared.${what}=10000000`),
);

/** `more`: options of this program. */
export async function startServer(
  net: Internet,
  variant: TeredoVariant,
  more: readonly string[] = [],
): Promise<Running> {
  const args = ['--address', SERVER_ADDRESS, ...more, '--limit', ...NO_LIMIT];
  if (variant !== 'miredo') return await ours(net.server, variant, 'server', ...args);
  return await miredo(
    net.server,
    'miredo-server',
    `ServerBindAddress ${SERVER_ADDRESS}\nServerBindAddress2 ${SERVER_SECONDARY}\n`,
  );
}

/** `limits` and options for Node apply to this program only. */
export async function startRelay(
  net: Internet,
  variant: TeredoVariant,
  limits: readonly string[] = [],
  nodeOptions: readonly string[] = [],
  workers = 1,
): Promise<Running> {
  if (variant !== 'miredo') {
    const changed = limits.length > 0 ? ['--limit', ...limits] : [];
    const options = ['--address', RELAY_ADDRESS, '--workers', String(workers), ...changed];
    return await oursWith(nodeOptions, net.relay, variant, 'relay', ...options);
  }
  const config = `InterfaceName teredo\nRelayType relay\nBindAddress ${RELAY_ADDRESS}\nBindPort 3545\n`;
  return await miredo(net.relay, 'miredo', config);
}

export async function startClient(host: Namespace, variant: TeredoVariant): Promise<Running> {
  if (variant !== 'miredo') return await ours(host, variant, 'client', '--server', SERVER_ADDRESS);
  return await miredo(host, 'miredo', `InterfaceName teredo\nServerAddress ${SERVER_ADDRESS}\n`);
}

/** A client of this program at a given place, on the user path. */
export async function startLoneClient(
  host: Namespace,
  address: string,
  port: number,
  workers: number,
): Promise<Running> {
  const place = ['--bind', address, '--port', String(port), '--workers', String(workers)];
  return await ours(host, 'user', 'client', '--server', SERVER_ADDRESS, ...place);
}

/** CPU seconds that a program and its children have used so far. */
export function cpuSeconds(program: Running): number {
  return family(program.pid).reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) / 100; // utime and stime, in ticks of 1/100 s
  }, 0);
}

/** A process and its children: miredo works in a child. */
export function family(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return [pid, ...(children === '' ? [] : children.split(' ').flatMap((child) => family(Number(child))))];
}

/** Packets that the daemons of this program on these hosts dropped, in the process and in the kernel. */
export function programDrops(hosts: readonly Namespace[]): number {
  const counts = hosts.flatMap((host) => {
    const { counters, dataPath } = statusOf(host);
    return [counters, dataPath?.counters ?? {}].flatMap((all) =>
      Object.entries(all).flatMap(([name, count]) => (name.startsWith('dropped') ? [count] : [])),
    );
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Packets that the kernel has carried for a daemon of this program on a host. */
export function carriedPackets(host: Namespace): number {
  const { carried } = statusOf(host).dataPath ?? {};
  return (carried?.receivedPackets ?? 0) + (carried?.sentPackets ?? 0);
}

/** The counters of the kernel path of a daemon of this program on a host. */
export function kernelCounters(host: Namespace): Readonly<Record<string, number>> {
  return statusOf(host).dataPath?.counters ?? {};
}

/** Asks the daemon on a host for its peers with the most traffic; returns how many it gave. */
export async function listPeers(host: Namespace): Promise<number> {
  const asking = host.spawn(PROGRAM, ['peers', '--json', '--sort', 'traffic', nameAt(host)]);
  if ((await asking.exited) !== 0) throw new Error(asking.output);
  return asking.stdout.split('"address"').length - 1;
}

interface Status {
  readonly counters: Readonly<Record<string, number>>;
  readonly dataPath?: {
    readonly counters?: Readonly<Record<string, number>>;
    readonly carried?: { readonly receivedPackets: number; readonly sentPackets: number };
  };
}

function statusOf(host: Namespace): Status {
  const { stdout } = spawnSync(PROGRAM, ['status', '--json', nameAt(host)], { encoding: 'utf8' });
  return JSON.parse(stdout) as Status;
}

function nameAt(host: Namespace): string {
  return `bench-${host.name}`;
}

async function ours(
  host: Namespace,
  path: 'user' | 'kernel',
  role: string,
  ...args: string[]
): Promise<Running> {
  return await oursWith([], host, path, role, ...args);
}

async function oursWith(
  nodeOptions: readonly string[],
  host: Namespace,
  path: 'user' | 'kernel',
  role: string,
  ...args: string[]
): Promise<Running> {
  const named = ['--name', nameAt(host), '--data-path', path];
  const running = host.spawn(process.execPath, [...nodeOptions, PROGRAM, role, ...named, ...args]);
  await running.waitFor(/is running/);
  return running;
}

async function miredo(host: Namespace, program: string, config: string): Promise<Running> {
  mkdirSync('/run/miredo', { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  chmodSync(folder, 0o755); // miredo reads its configuration as another user
  writeFileSync(join(folder, 'conf'), config);
  const running = host.spawn(program, ['-f', '-c', join(folder, 'conf'), '-p', join(folder, 'pid')]);
  void running.exited.then(() => rmSync(folder, { recursive: true, force: true }));
  await running.waitFor(/Starting/);
  return running;
}
