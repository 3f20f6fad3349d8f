/**
 * The cost of a solicitation at a server: busy time of the whole machine per answered solicitation, less that of a server that does nothing
 * (null.bpf.c).
 */
import { fileURLToPath } from 'node:url';
import { Internet, SERVER_ADDRESS, until } from '../src/lab/index.ts';
import type { Namespace, Running } from '../src/lab/index.ts';
import { BpfObject } from './bpf-object.ts';
import { busySeconds } from './processor-time.ts';
import { startServer } from './variants.ts';

const SOLICIT = fileURLToPath(new URL('./solicit.js', import.meta.url));
const OWN = '198.51.100.250';
const SERVERS = ['null', 'miredo', 'user', 'kernel'] as const;
export type ServerKind = (typeof SERVERS)[number];

export interface ServerResult {
  /** Microseconds of all processors per answered solicitation, without those for the null server. */
  readonly microseconds: number;
  /** The share of solicitations that was answered. */
  readonly answered: number;
}

/** Measures all kinds in turn, at this rate. */
export async function measureServers(
  perSecond: number,
  seconds: number,
): Promise<Record<Exclude<ServerKind, 'null'>, ServerResult>> {
  const results: Partial<Record<ServerKind, ServerResult>> = {};
  for (const kind of SERVERS) {
    const { microseconds, answered } = await measure(kind, perSecond, seconds);
    results[kind] = { microseconds: microseconds - (results.null?.microseconds ?? 0), answered };
  }
  return results as Record<ServerKind, ServerResult>;
}

async function measure(kind: ServerKind, perSecond: number, seconds: number): Promise<ServerResult> {
  await using net = new Internet();
  const asker = net.lab.host('asker');
  net.attach(asker, 'wan', OWN);
  if (kind === 'null') attachNull(net.server);
  else await startServer(net, kind);
  const solicit = asker.spawn(process.execPath, [
    SOLICIT,
    OWN,
    SERVER_ADDRESS,
    String(perSecond),
    String(seconds),
  ]);
  await solicit.waitFor(/ready/);
  countAnswers(asker);
  // A first run without a result at all of them: it compiles a program that is compiled while it runs, as on a server that has run for
  // days.
  await ask(1, solicit, asker, seconds);
  return await ask(2, solicit, asker, seconds);
}

/** The `nth` run. */
async function ask(nth: number, solicit: Running, asker: Namespace, seconds: number): Promise<ServerResult> {
  const [answersBefore, busyBefore] = [answersAt(asker), busySeconds()];
  solicit.kill('SIGUSR2');
  const [, sent] = await solicit.waitFor(new RegExp(`(?:sent (\\d+)\n){${nth}}`), seconds * 1_000 + 20_000);
  const answers = (await settled(asker)) - answersBefore;
  const busy = busySeconds() - busyBefore;
  return { microseconds: (busy * 1e6) / answers, answered: answers / Number(sent) };
}

/** Counts answers at the interface where they arrive, then drops them. */
function countAnswers(host: Namespace): void {
  host.nft(`
    table netdev bench {
      chain arrived {
        type filter hook ingress device "wan" priority 0; policy accept;
        udp sport 3544 counter drop
      }
    }`);
}

function answersAt(host: Namespace): number {
  return Number(/packets (\d+)/.exec(host.execute('nft', 'list', 'table', 'netdev', 'bench'))![1]);
}

async function settled(host: Namespace): Promise<number> {
  let last = -1;
  return await until(
    'quiet',
    () => {
      const now = answersAt(host);
      const quiet = now === last;
      last = now;
      return quiet ? now : undefined;
    },
    10_000,
    100,
  );
}

function attachNull(server: Namespace): void {
  using object = new BpfObject('null');
  server.execute('tc', 'qdisc', 'add', 'dev', 'wan', 'clsact');
  const from = ['obj', object.path, 'sec', 'tc'];
  server.execute('tc', 'filter', 'add', 'dev', 'wan', 'ingress', 'bpf', 'da', ...from);
}
