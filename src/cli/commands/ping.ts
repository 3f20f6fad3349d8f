import { spawn } from 'node:child_process';
import { Command } from 'commander';
import { formatIpv6, isTeredo } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import { printJson, printLine } from '../output.ts';
import { HolePunching } from './until-direct.ts';
import { countValue, ipv6Value, secondsValue } from '../values.ts';

interface PingOptions {
  readonly count: number;
  readonly timeout: number;
  readonly json?: boolean;
  readonly untilDirect?: boolean;
}

/** `teredo ping`: whether a host answers, and how soon; through the tunnel where that is the way to it. */
export function pingCommand(finish: (exitCode: number) => void): Command {
  return new Command('ping')
    .description('ask an IPv6 host for an answer, through the tunnel where that is the way')
    .argument('<address>', 'an IPv6 address', ipv6Value)
    .option(
      '--count <number>',
      'how many answers to wait for, without --until-direct',
      countValue(1, 1_000_000),
      4,
    )
    .option('--timeout <seconds>', 'how long to try', secondsValue(1, 86_400), 10)
    .option('--json', 'print JSON; of --until-direct with "direct", "means" (as "teredo peers") and "steps"')
    .option(
      '--until-direct',
      'show step by step how the client of this host finds the way, and end when it is a direct one, or clear that there is none (exit status 1)',
    )
    .action(async (address: Ipv6, options: PingOptions) => {
      finish(
        await (options.untilDirect === true ? pingUntilDirect(address, options) : pingHost(address, options)),
      );
    });
}

/** Packets go out this often, in seconds: the least that ping allows a plain user. */
const INTERVAL = '0.2';
/** ping ends this long before its time at the most: it sends nothing any more that could not be answered within it. */
const ENDS_EARLY_MS = 500;

/** As many answers as were asked for. */
async function pingHost(address: Ipv6, options: PingOptions): Promise<number> {
  const pings = await ping(address, options, (answers) => answers >= options.count);
  const { answered } = printAnswers(address, options, pings, `of ${options.count} wanted`);
  if (answered > 0) return EXIT.OK;
  throw noAnswer(address, options, pings);
}

/** Answers until one has come the direct way, or there is none. */
async function pingUntilDirect(address: Ipv6, options: PingOptions): Promise<number> {
  const say = options.json === true ? (step: string) => void process.stderr.write(`${step}\n`) : printLine;
  const punching = new HolePunching(address, say);
  await punching.begin();
  let pings: Pings;
  try {
    const isEnough = (answers: number): boolean => {
      if (answers === 1) void punching.noteAnswer();
      return punching.isDirect;
    };
    pings = await ping(address, { ...options, quiet: true }, isEnough, punching.impossible);
    await punching.look(); // the last answer may have changed it
  } finally {
    punching.end();
  }
  const { isDirect, means, steps } = punching;
  const { answered } = printAnswers(address, options, pings, 'in all', { direct: isDirect, means, steps });
  if (answered === 0 && !punching.impossible.aborted)
    throw noAnswer(address, options, { ...pings, words: pings.words || punching.whySilent });
  if (answered > 0 && isDirect) return EXIT.OK;
  const target = formatIpv6(address);
  const outcome = answered > 0 ? `${target} answers, but not by a direct way` : `no direct way to ${target}`;
  const why = punching.impossible.aborted ? `: ${punching.whyImpossible}` : ` within ${options.timeout} s`;
  throw new CommandFailure(EXIT.FAILED, outcome + why);
}

interface Pings {
  /** Round trips of the answers, in ms. */
  readonly times: readonly number[];
  readonly firstReplyMs: number | undefined;
  readonly tookMs: number;
  /** The last words of the system's ping, or the error of a router on the way. */
  readonly words: string;
}

/** Tells each answer, unless `quiet`. Until `isEnough` says of so many answers that they are, the time is over, or `giveUp` is aborted. */
async function ping(
  address: Ipv6,
  { json, timeout, quiet = json === true }: PingOptions & { readonly quiet?: boolean },
  isEnough: (answers: number) => boolean,
  giveUp?: AbortSignal,
): Promise<Pings> {
  const target = formatIpv6(address);
  const begun = performance.now();
  const times: number[] = [];
  let firstReplyMs: number | undefined;
  let hasEnough = false;
  let said = '';
  let refused = '';
  // The system's own ping: it needs no privilege, and its packets go as those of programs do.
  const child = spawn('ping', ['-6', '-n', '-i', INTERVAL, '-w', String(Math.ceil(timeout)), target], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  giveUp?.addEventListener('abort', () => child.kill('SIGINT'));
  let line = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    line += text;
    for (let end = line.indexOf('\n'); end >= 0; end = line.indexOf('\n')) {
      const text = line.slice(0, end);
      line = line.slice(end + 1);
      const match = /time=([\d.]+) ms/.exec(text);
      if (match === null && text.startsWith('From ')) refused = text;
      if (match === null || hasEnough) continue;
      firstReplyMs ??= performance.now() - begun;
      times.push(Number(match[1]));
      if (!quiet) printLine(`answer ${times.length} from ${target}: ${match[1]} ms`);
      hasEnough = isEnough(times.length);
      if (hasEnough) child.kill('SIGINT');
    }
  });
  const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    child.on('error', resolve);
    child.on('close', () => resolve(undefined));
  });
  if (failure !== undefined) throw cannotRun(failure);
  const words = said.trim().split('\n').at(-1) || refused;
  return { times, firstReplyMs, tookMs: performance.now() - begun, words };
}

/** `more`: further fields of the JSON. */
function printAnswers(
  address: Ipv6,
  { json }: PingOptions,
  { times, firstReplyMs }: Pings,
  wanted: string,
  more: object = {},
): { readonly answered: number } {
  const answered = times.length;
  if (json === true) {
    printJson({
      version: 1,
      address: formatIpv6(address),
      teredo: isTeredo(address, 0),
      answered,
      firstReplyMs,
      timesMs: times,
      ...more,
    });
  } else if (firstReplyMs !== undefined) {
    printLine(`first answer after ${firstReplyMs.toFixed(0)} ms, ${answered} ${wanted}`);
  }
  return { answered };
}

function noAnswer(address: Ipv6, { timeout }: PingOptions, { tookMs, words }: Pings): CommandFailure {
  const target = formatIpv6(address);
  // Without "within N s": ping failed at once.
  if (tookMs < timeout * 1000 - ENDS_EARLY_MS) {
    const why = words === '' ? 'ping gave up early' : words;
    return new CommandFailure(EXIT.FAILED, `no answer from ${target}: ${why}`);
  }
  const why = words === '' ? '' : ` (${words})`;
  return new CommandFailure(EXIT.TIMED_OUT, `no answer from ${target} within ${timeout} s${why}`);
}

function cannotRun({ code, message }: NodeJS.ErrnoException): CommandFailure {
  return new CommandFailure(
    EXIT.FAILED,
    code === 'ENOENT'
      ? 'the program "ping" is missing: apt-get install iputils-ping'
      : `cannot run "ping": ${message}`,
  );
}
