import { Command } from 'commander';
import { kernelPorts } from '../../io/kernel-ports.ts';
import { EXIT } from '../exit-codes.ts';
import { explainReason } from '../explain.ts';
import { checkServer } from '../netcheck/check-server.ts';
import type { ServerCheck } from '../netcheck/check-server.ts';
import { printJson, printLine } from '../output.ts';
import { noticesOfServer, resolveServers } from '../resolve.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { formatHost, hostAddressValue, hostsValue, portValue, secondaryValue } from '../values.ts';

interface NetcheckOptions {
  readonly server: string[];
  readonly secondary?: Ipv4 | 'none';
  readonly bind?: number;
  readonly port?: number;
  readonly allowPrivate?: boolean;
  readonly json?: boolean;
}

/** `teredo netcheck`: would Teredo work here, and if not, why not. Neither daemon nor root. */
export function netcheckCommand(finish: (exitCode: number) => void): Command {
  return new Command('netcheck')
    .description('find out, without root, whether Teredo works here, through which server best, or why not')
    .requiredOption('--server <host[,host...]>', 'servers to ask', hostsValue)
    .option(
      '--secondary <address|none>',
      'second IPv4 address of the one server named; of several behind its name that of the one before it, else of the first ' +
        '(default: the first plus one)',
      secondaryValue,
    )
    .option('--bind <address>', 'local IPv4 address (default: any)', hostAddressValue)
    .option('--port <number>', 'local UDP port (default: any free one)', portValue)
    .option('--allow-private', 'take private IPv4 addresses for global ones')
    .option('--json', 'print JSON')
    .action(async (options: NetcheckOptions) => {
      const notices: string[] = [];
      const candidates = await resolveServers(options.server, options.secondary, (message) =>
        notices.push(message),
      );
      notices.push(...candidates.flatMap(({ primary }) => noticesOfServer(primary, options.allowPrivate)));
      for (const message of notices) process.stderr.write(`${message}\n`);
      const checks: ServerCheck[] = [];
      // With a port given, one after the other: they share it.
      const check = (candidate: (typeof candidates)[number]): Promise<ServerCheck> =>
        checkServer(candidate, options, kernelPorts());
      if (options.port === undefined) checks.push(...(await Promise.all(candidates.map(check))));
      else for (const candidate of candidates) checks.push(await check(candidate));
      checks.sort(byUsefulness);
      if (options.json === true) printJson(inJson(checks));
      else printReport(checks);
      finish(checks[0]!.qualified ? EXIT.OK : EXIT.FAILED);
    });
}

function byUsefulness(a: ServerCheck, b: ServerCheck): number {
  if (a.qualified !== b.qualified) return a.qualified ? -1 : 1;
  return (a.roundTripMs ?? Infinity) - (b.roundTripMs ?? Infinity);
}

function inJson(checks: readonly ServerCheck[]): unknown {
  const best = checks[0]!;
  return {
    version: 1,
    works: best.qualified,
    nat: best.nat,
    ...(best.mapped === undefined ? {} : { mapped: best.mapped }),
    ...(best.reason === undefined ? {} : { reason: best.reason, message: explainReason(best.reason) }),
    servers: checks,
  };
}

function printReport(checks: readonly ServerCheck[]): void {
  for (const check of checks) {
    printLine(formatHost(check.name, check.primaryNumber));
    for (const step of check.steps) printLine(`  ${step.good ? 'ok  ' : 'no  '} ${step.text}`);
    if (check.reason !== undefined) printLine(`       ${explainReason(check.reason)}`);
  }
  const best = checks[0]!;
  if (!best.qualified) {
    printLine('Teredo does not work here.');
    return;
  }
  const time = best.roundTripMs === undefined ? '' : ` (${best.roundTripMs.toFixed(1)} ms)`;
  printLine(
    `Teredo works here: NAT ${best.nat}, mapped to ${best.mapped ?? '?'}, best server ${best.name}${time}.`,
  );
}
