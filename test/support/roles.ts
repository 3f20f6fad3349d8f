import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { ask } from '../../src/control/control-client.ts';
import { controlDirectory, controlPath } from '../../src/control/control-path.ts';
import type { DaemonStatus, PeerCounts, PeersStatus } from '../../src/control/status.ts';
import { until } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';

/** The data path of the roles: kernel tests run once for each, see vitest.config.ts. With `kernel` a role does not start without the kernel path. */
export const DATA_PATH = process.env['TEREDO_TEST_DATA_PATH'] ?? 'user';

/** Whether the kernel path of clients and relays begins in the drivers of interfaces: `--xdp`. By itself it does not in a lab. */
const XDP = process.env['TEREDO_TEST_XDP'] ?? 'auto';

/** How many workers a client has: `--workers`. */
const WORKERS = process.env['TEREDO_TEST_WORKERS'] ?? '1';

/** Whether they merge segments in a pair of interfaces: `--merge`. By itself they do not in a lab, whose links do not merge. */
const MERGE = process.env['TEREDO_TEST_MERGE'] ?? 'auto';

export const PROGRAM = fileURLToPath(new URL('../../bin/teredo', import.meta.url));

/** This program in a role of a lab, started and ready. */
export async function startServer(host: Namespace, address: string, ...args: string[]): Promise<Running> {
  return await ready(spawnTeredo(host, 'server', '--address', address, ...args));
}

export async function startRelay(host: Namespace, address: string, ...args: string[]): Promise<Running> {
  return await ready(spawnTeredo(host, 'relay', '--address', address, ...args));
}

export async function startHostRelay(host: Namespace, ...args: string[]): Promise<Running> {
  return await ready(spawnTeredo(host, 'host-relay', ...args));
}

/** The client runs, but may not be qualified yet. */
export async function startClient(host: Namespace, servers: string, ...args: string[]): Promise<Running> {
  return await ready(spawnTeredo(host, 'client', '--server', servers, ...args));
}

/** Since {@link preferRoles}; see setpriority(2). */
let priority = 0;

/** From now on roles wait for no other program: those that attack them are on machines of their own in reality. */
export function preferRoles(): void {
  priority = -10;
}

export function spawnTeredo(host: Namespace, role: string, ...args: string[]): Running {
  const name = args.includes('--name') ? [] : ['--name', nameOf(host, role)];
  const path = args.includes('--data-path') ? [] : ['--data-path', DATA_PATH];
  const added = [...name, ...path, ...pathOptionsOf(role, args), ...workersOf(role, args)];
  const running = host.spawn(process.execPath, [PROGRAM, role, ...added, ...args]);
  setPriority(running.pid, priority);
  return running;
}

function workersOf(role: string, args: readonly string[]): string[] {
  const isFixed = args.includes('--workers') || (args.includes('--data-path') && !args.includes('user'));
  return WORKERS === '1' || role !== 'client' || isFixed ? [] : ['--workers', WORKERS];
}

/** The further arguments of a role for the data path under test. A server has no such path. */
export function pathOptionsOf(role: string, args: readonly string[]): string[] {
  if (role === 'server') return [];
  const wishes = { '--xdp': XDP, '--merge': MERGE };
  return Object.entries(wishes).flatMap(([option, wish]) =>
    wish === 'auto' || args.includes(option) ? [] : [option, wish],
  );
}

/** The name of a daemon of {@link spawnTeredo}, for `teredo status`. */
export function nameOf(host: Namespace, role: string): string {
  return `${host.name}-${role}`;
}

/** The status of any role. A server has no peers, and each role has more fields. */
type Status = DaemonStatus & { readonly peers: PeerCounts } & Readonly<Record<string, unknown>>;

/** The daemon's status; undefined if it does not run. */
export async function statusOf(host: Namespace, role: string): Promise<Status | undefined> {
  try {
    return (await askDaemon(host, role, 'status')) as Status;
  } catch {
    return undefined; // no daemon listens there
  }
}

export async function peersOf(host: Namespace, role: string): Promise<PeersStatus> {
  return (await askDaemon(host, role, 'peers')) as PeersStatus;
}

async function askDaemon(host: Namespace, role: string, command: 'status' | 'peers'): Promise<unknown> {
  const answer = await ask(controlPath(controlDirectory(), nameOf(host, role)), { command });
  if (!answer.ok) throw new Error(answer.message);
  return answer.result;
}

/** Waits for the Teredo address on a host's tunnel interface, and for the routes that are added after it; for any Teredo client program. */
export async function teredoAddress(host: Namespace, timeoutMs = 20_000, iface = 'teredo'): Promise<string> {
  return await until(`a Teredo address in ${host.name}`, () => teredoAddressNow(host, iface), timeoutMs);
}

/** The present Teredo address, if any. */
export function teredoAddressNow(host: Namespace, iface = 'teredo'): string | undefined {
  try {
    // The kernel adds some routes itself with the address.
    const routes = host.ip('-6', 'route', 'show', 'dev', iface).split('\n');
    if (!routes.some((route) => route !== '' && !route.includes('proto kernel'))) return undefined;
    const links = JSON.parse(host.ip('-6', '-j', 'addr', 'show', 'dev', iface, 'scope', 'global')) as {
      addr_info?: { local?: string; tentative?: boolean }[];
    }[];
    return links
      .flatMap((link) => link.addr_info ?? [])
      .map(({ local }) => local)
      .find((local) => local !== undefined && (local.startsWith('2001:0:') || local.startsWith('2001::')));
  } catch {
    return undefined; // no such interface yet
  }
}

async function ready(running: Running): Promise<Running> {
  await running.waitFor(/is running/);
  return running;
}
