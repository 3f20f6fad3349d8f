/**
 * Makes single system calls of this process fail: the calls of `src/linux` to the C library and libbpf, and reads of files and of
 * the interfaces through Node. Each call is identified by its place in the source, so that new calls are found, too.
 * This file has no imports, because mocks of Node's modules use it.
 */

export const ERRORS = { EMFILE: 24, ENFILE: 23, ENOBUFS: 105, ENOMEM: 12, EPERM: 1, ENODEV: 19 } as const;

/** These do not fail, or their failure has no effect. */
const SURE = new Set([
  'close',
  'exit',
  'getpagesize',
  'munmap',
  'unshare',
  'findMap',
  'findProgram',
  'mapFd',
  'programFd',
]);

interface Refusal {
  readonly site: string;
  readonly error: number;
  /** Number of consecutive failures. */
  times: number;
}

let seen: Set<string> | undefined;
let refusal: Refusal | undefined;
let refused = 0;

/** The error number with which this call fails; undefined: it is carried out. */
function errorFor(name: string): number | undefined {
  if (seen === undefined && refusal === undefined) return undefined;
  const site = `${name} ${callers()}`;
  seen?.add(site);
  if (refusal === undefined || refusal.site !== site || refusal.times <= 0) return undefined;
  refusal.times--;
  refused++;
  return refusal.error;
}

/** The places in the source that have led to the call, the nearest first, including those that only pass it on. */
function callers(): string {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 12;
  const lines = new Error().stack!.split('\n');
  Error.stackTraceLimit = before;
  return lines
    .flatMap((line) => /\/src\/([\w/-]+\.ts):(\d+)/.exec(line)?.slice(1).join(':') ?? [])
    .slice(0, 4)
    .join(' < ');
}

/** Makes the functions of an object refusable. `fail` behaves as the system does in that case. */
export function wrap(all: Record<string, unknown>, fail: (name: string, error: number) => unknown): void {
  for (const [name, call] of Object.entries(all)) {
    if (typeof call !== 'function' || SURE.has(name)) continue;
    all[name] = (...args: unknown[]): unknown => {
      const error = errorFor(name);
      return error === undefined ? (call as (...args: unknown[]) => unknown)(...args) : fail(name, error);
    };
  }
}

/** For `vi.mock` of a module of Node: the same, with these functions refusable. */
export function refusable<T extends object>(module: T, names: readonly string[]): T {
  const own = Object.fromEntries(names.map((name) => [name, (module as Record<string, unknown>)[name]]));
  wrap(own, (name, error) => {
    const code = Object.entries(ERRORS).find(([, number]) => number === error)![0];
    throw Object.assign(new Error(`${code}: refused, ${name}`), {
      code,
      errno: -error,
      syscall: name,
    });
  });
  return { ...module, ...own };
}

/** The sites of the calls that are made until {@link Recording.end}. */
export function record(): { readonly end: () => string[] } {
  seen = new Set();
  return {
    end: () => {
      const sites = [...seen!];
      seen = undefined;
      return sites;
    },
  };
}

/** The next `times` calls at a site fail. Returns a function that ends this and returns the number of failures. */
export function refuse(site: string, error: number, times = 1): () => number {
  refusal = { site, error, times };
  refused = 0;
  return () => {
    refusal = undefined;
    return refused;
  };
}
