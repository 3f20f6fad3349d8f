import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { askForSender, makeChannel, receiveMessage, sendMessage } from '../../linux/guest/channel.ts';
import type { GuestDescriptors } from '../../linux/guest/inside.ts';
import { sys } from '../../linux/libc.ts';
import { Poll } from '../../linux/poll.ts';
import { within } from '../deadline.ts';
import { PROGRAM_STDERR } from './agent-messages.ts';
import type { Begin, Hello } from './agent-messages.ts';
import { explainGuest } from './explain-guest.ts';
import { areStopped } from './stopped.ts';
import type { Target } from './target.ts';

/** An agent says hello in less. */
const HELLO_MOST_MS = 10_000;
/** A program stops in less, and so often is looked whether it has. */
const [STOP_MOST_MS, STOP_LOOK_MS] = [500, 10];
/** The most that is kept of the messages of `unshare` and its like. */
const COMPLAINTS = 2_000;

/** The words that start this program again; its agent's follow. */
export type OwnProgram = readonly [string, ...string[]];

export type Exit = { readonly status: number } | { readonly signal: NodeJS.Signals };

/**
 * A guest: a network namespace with descriptors of its own here. It ends with its last process and descriptor. A guest that this process has made ends
 * with this process, however that ends: its processes are in a process namespace of their own.
 */
export class Guest {
  readonly descriptors: GuestDescriptors;
  readonly udpSockets: readonly number[];
  /** A process inside, in the numbers of the host. */
  readonly pid: number;
  /** Programs in the guest ask the resolver of the guest. */
  readonly isResolverNamed: boolean;
  private readonly child: ChildProcess;
  private readonly channel: number;
  private readonly isPrivate: boolean;
  readonly ended: Promise<Exit>;
  private closed = false;

  private constructor(
    child: ChildProcess,
    channel: number,
    ended: Promise<Exit>,
    hello: Extract<Hello, { names: unknown }>,
    descriptors: readonly number[],
    pid: number,
  ) {
    this.child = child;
    this.channel = channel;
    this.ended = ended;
    this.isPrivate = !isRoot();
    this.isResolverNamed = hello.isResolverNamed;
    this.pid = pid;
    this.descriptors = Object.fromEntries(hello.names.map((name, i) => [name, descriptors[i]!]));
    this.udpSockets = descriptors.slice(hello.names.length);
  }

  /**
   * Makes a guest for a program, which waits until {@link run}. `sockets`: with a source of TCP sockets, and so many UDP sockets. Rejects with an
   * EnvironmentError.
   */
  static make(program: OwnProgram, words: readonly string[], sockets?: number): Promise<Guest> {
    const options = sockets === undefined ? [] : ['--sockets', String(sockets)];
    const rights = isRoot() ? [] : ['--user', '--map-current-user', '--keep-caps'];
    const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child=KILL'];
    return Guest.begin([
      // Signals to the process group are for the program, which gets them, too.
      ...['sh', '-c', `trap '' HUP INT QUIT TERM USR1 USR2; exec "$@"`, 'sh'],
      ...['setpriv', '--pdeathsig', 'KILL', '--', 'unshare', ...rights, ...namespaces, '--'],
      ...['sh', '-c', firstProcess(program), 'sh'],
      ...[...program, ...options, '--', ...words],
    ]);
  }

  /** Adds an interface to the network of a process. Rejects with an EnvironmentError. */
  static attach(program: OwnProgram, target: Target, interfaceName: string): Promise<Guest> {
    const namespaces = target.namespaces;
    // Root of the container has the rights, and need not be the user that has started it.
    const rights = namespaces.some(({ kind }) => kind === 'user') ? ['--setuid', '0'] : [];
    const options = namespaces.map(({ kind }, i) => `--${kind}=/proc/self/fd/${PROGRAM_STDERR + 1 + i}`);
    return Guest.begin(
      [
        'nsenter',
        ...options,
        '--preserve-credentials',
        ...rights,
        '--',
        ...program,
        '--attach',
        interfaceName,
      ],
      namespaces.map(({ fd }) => fd),
      target.pid,
    );
  }

  /** `pid`: the process whose network it is, when that is not the agent. */
  private static async begin(
    words: readonly string[],
    descriptors: readonly number[] = [],
    pid?: number,
  ): Promise<Guest> {
    const [here, there] = makeChannel();
    askForSender(here);
    const child = spawn(words[0]!, words.slice(1), {
      stdio: ['inherit', 'inherit', 'pipe', there, 2, ...descriptors],
    });
    sys.close(there);
    let complaints = '';
    const complain = (said: string): void => {
      if (complaints.length < COMPLAINTS) complaints += said;
    };
    child.on('error', ({ message }) => complain(message));
    child.stderr?.on('data', (chunk: Buffer) => complain(chunk.toString())); // there is none without a descriptor for it
    const ended = exitOf(child);
    try {
      const message = await within(HELLO_MOST_MS, helloOf(here, ended), undefined);
      const hello =
        message === undefined || message === 'ended' ? undefined : (JSON.parse(message.text) as Hello);
      if (hello === undefined && child.stderr?.closed === false)
        await within(1_000, once(child.stderr, 'close'), undefined);
      if (message === undefined || message === 'ended' || hello === undefined || 'code' in hello)
        throw explainGuest(hello, complaints, message === undefined);
      return new Guest(child, here, ended, hello, message.descriptors, pid ?? message.pid);
    } catch (error) {
      child.kill('SIGKILL');
      sys.close(here);
      throw error;
    }
  }

  /** Begins the program of the guest, which ignores these signals; resolves with its end. */
  run(ignored: readonly NodeJS.Signals[] = []): Promise<Exit> {
    const begin: Begin = {
      ignored: ignored.map((name) => constants.signals[name]),
      isPrivate: this.isPrivate,
    };
    sendMessage(this.channel, JSON.stringify(begin));
    return this.ended;
  }

  /** Whether the program is in the process group of this process. An interactive shell makes one of its own. */
  get isInOwnGroup(): boolean {
    return groupOf(this.pid) === groupOf(process.pid);
  }

  /** Sends the program a signal. */
  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(this.pid, signal);
    } catch {
      // it has ended
    }
  }

  /** Resolves when SIGTSTP has stopped the processes of the program's group, or after half a second. Never rejects. */
  async groupStopped(): Promise<void> {
    const group = groupOf(this.pid);
    const end = performance.now() + STOP_MOST_MS;
    while (group !== undefined && !areStopped(this.pid, group) && performance.now() < end)
      await setTimeout(STOP_LOOK_MS);
  }

  /** After a change of the host's resolvers. */
  nameResolver(): void {
    const first = parentOf(this.pid);
    if (first !== undefined && !this.closed) process.kill(first, 'SIGURG');
  }

  /** Ends all processes that were started here. Harmless when repeated. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    sys.close(this.channel);
    this.child.kill('SIGKILL');
  }
}

/**
 * The script of the first process of a process namespace, which ends all others. It runs the agent, which becomes the program, and keeps the rights that
 * the agent drops: at SIGURG it names the resolver again.
 */
function firstProcess(program: OwnProgram): string {
  const agent = program.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return (
    `again() { again=yes; ${agent} --names; }; trap again URG; ` +
    // A program in the background would get /dev/null as its standard input.
    'exec 9<&0; "$@" <&9 9<&- & ' +
    'while again=; wait $!; status=$?; [ "$again" ]; do :; done; exit $status'
  );
}

/** Undefined: it has ended. proc_pid_stat(5) */
function groupOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[2]);
  } catch {
    return undefined;
  }
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined; // it has ended
  }
}

export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  try {
    const [status, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return signal === null ? { status: status ?? 1 } : { signal };
  } catch {
    return { status: 127 }; // it could not be started
  }
}

/** `ended`: the process has ended without a message. */
async function helloOf(
  channel: number,
  ended: Promise<Exit>,
): Promise<NonNullable<ReturnType<typeof receiveMessage>> | 'ended'> {
  let poll: Poll | undefined;
  const readable = new Promise<'readable'>((resolve) => {
    poll = new Poll(channel, () => resolve('readable'));
  });
  try {
    await Promise.race([readable, ended]);
    return receiveMessage(channel) ?? 'ended';
  } finally {
    poll?.close();
  }
}
