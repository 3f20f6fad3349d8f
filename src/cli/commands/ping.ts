import { spawn } from 'node:child_process';
import { Command } from 'commander';
import { formatIpv6, isTeredo } from '../../wire/index.ts';
import type { Ipv6 } from '../../wire/index.ts';
import { CommandFailure, EXIT } from '../exit-codes.ts';
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
    .option('--count <number>', 'how many answers to wait for', countValue(1, 1_000_000), 4)
    .option('--timeout <seconds>', 'how long to try', secondsValue(1, 86_400), 10)
    .option('--json', 'print JSON')
    .option(
      '--until-direct',
      'show step by step how the client finds the way, and end when it is a direct one',
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

/** Answers until one has come the direct way. */
async function pingUntilDirect(address: Ipv6, options: PingOptions): Promise<number> {
  const say = options.json === true ? (step: string) => void process.stderr.write(`${step}\n`) : printLine;
  const punching = new HolePunching(address, say);
  await punching.begin();
  try {
    await pingHost(address, options, () => punching.isDirect);
  } finally {
    punching.end();
  }
  if (punching.isDirect) return EXIT.OK;
  throw new CommandFailure(EXIT.FAILED, `${formatIpv6(address)} answers, but not by a direct way`);
}

/** `isEnough`: whether so many answers are; without it as many as were asked for. */
async function pingHost(
  address: Ipv6,
  options: PingOptions,
  isEnough = (answers: number): boolean => answers >= options.count,
): Promise<number> {
  const target = formatIpv6(address);
  const begun = performance.now();
  const times: number[] = [];
  let firstReplyMs: number | undefined;
  let hasEnough = false;
  let said = '';
  /** What somebody on the way answered instead. */
  let refused = '';
  // The system's own ping: it needs no right of ours, and takes the way that programs take.
  const child = spawn(
    'ping',
    ['-6', '-n', '-i', INTERVAL, '-w', String(Math.ceil(options.timeout)), target],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
    },
  );
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
      if (options.json !== true) printLine(`answer ${times.length} from ${target}: ${match[1]} ms`);
      hasEnough = isEnough(times.length);
      if (hasEnough) child.kill('SIGINT');
    }
  });
  const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    child.on('error', resolve);
    child.on('close', () => resolve(undefined));
  });
  const tookMs = performance.now() - begun;
  if (failure !== undefined) throw cannotRun(failure);
  const answered = times.length;
  if (options.json === true) {
    printJson({
      version: 1,
      address: target,
      teredo: isTeredo(address, 0),
      answered,
      firstReplyMs,
      timesMs: times,
    });
  } else if (firstReplyMs !== undefined) {
    const wanted = options.untilDirect === true ? 'in all' : `of ${options.count} wanted`;
    printLine(`first answer after ${firstReplyMs.toFixed(0)} ms, ${answered} ${wanted}`);
  }
  if (answered > 0) return EXIT.OK;
  const why = said.trim().split('\n').at(-1) || refused;
  // Nobody can say within a time that was not waited for: ping knew at once.
  if (tookMs < options.timeout * 1000 - ENDS_EARLY_MS) {
    const words = why === '' ? 'ping gave up early' : why;
    throw new CommandFailure(EXIT.FAILED, `no answer from ${target}: ${words}`);
  }
  throw new CommandFailure(
    EXIT.TIMED_OUT,
    `no answer from ${target} within ${options.timeout} s${why === '' ? '' : ` (${why})`}`,
  );
}

function cannotRun({ code, message }: NodeJS.ErrnoException): CommandFailure {
  return new CommandFailure(
    EXIT.FAILED,
    code === 'ENOENT'
      ? 'the program "ping" is missing: apt-get install iputils-ping'
      : `cannot run "ping": ${message}`,
  );
}
