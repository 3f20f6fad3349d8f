import { Command } from 'commander';
import type { ServerCandidate } from '../../core/client/index.ts';
import { addressOrderHere } from '../../io/address-order.ts';
import { ipv6FirewallHere } from '../../io/ipv6-firewall.ts';
import { kernelPorts } from '../../io/kernel-ports.ts';
import { gatewayOffers } from '../../io/port-mapping/gateway-offers.ts';
import { EXIT } from '../../daemon/exit-codes.ts';
import { checkServer } from '../netcheck/check-server.ts';
import type { ServerCheck } from '../netcheck/check-server.ts';
import { measureLifetime } from '../netcheck/lifetime.ts';
import { measureNat } from '../netcheck/nat-behaviour.ts';
import { reportInJson, reportInWords } from '../netcheck/report.ts';
import type { Findings } from '../netcheck/report.ts';
import { printJson, printLine } from '../output.ts';
import { resolveServers } from '../../runtime/servers.ts';
import { noticesOfServer } from '../../daemon/start-notices.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { hostAddressValue, hostsValue, portValue, secondaryValue, secondsValue } from '../values.ts';

interface NetcheckOptions {
  readonly server: string[];
  readonly secondary?: Ipv4 | 'none';
  readonly bind?: number;
  readonly port?: number;
  readonly lifetime?: number | true;
  readonly allowPrivate?: boolean;
  readonly json?: boolean;
}

/** The longest time of the bisection of 120 s. */
const LIFETIME_SECONDS = 300;

/** `teredo netcheck`: would Teredo work here, with which peers, and if not, why not. It needs neither a daemon nor root. */
export function netcheckCommand(finish: (exitCode: number) => void): Command {
  return new Command('netcheck')
    .description(
      'find out, without root, whether Teredo works here, through which server best, how the NAT behaves, whether ports of it ' +
        'can be opened, and which peers it lets this host reach, or why not',
    )
    .requiredOption('--server <host[,host...]>', 'servers to ask', hostsValue)
    .option(
      '--secondary <address|none>',
      'second IPv4 address of the one server named; of several behind its name that of the one before it, else of the first ' +
        '(default: the first plus one)',
      secondaryValue,
    )
    .option('--bind <address>', 'local IPv4 address (default: any)', hostAddressValue)
    .option(
      '--port <number>',
      'local UDP port, as one that is forwarded: its mapping is looked at (default: any free one)',
      portValue,
    )
    .option(
      '--lifetime [seconds]',
      `measure too how long the NAT keeps a silent mapping, in so many seconds at the most (default: ${LIFETIME_SECONDS})`,
      secondsValue(20, 600),
    )
    .option('--allow-private', 'take private IPv4 addresses for global ones')
    .option('--json', 'print JSON')
    .action(async (options: NetcheckOptions) => {
      const notices: string[] = [];
      const candidates = await resolveServers(options.server, options.secondary, (message) =>
        notices.push(`warning: ${message}`),
      );
      notices.push(...candidates.flatMap(({ primary }) => noticesOfServer(primary, options.allowPrivate)));
      for (const message of notices) process.stderr.write(`${message}\n`);
      const { bind: address = 0, port = 0 } = options;
      const rest = checkAndMeasure(candidates, options);
      const subnets = kernelPorts().network.ipv4Subnets();
      const [found, offers] = await Promise.all([
        rest,
        gatewayOffers({ address, port }, candidates[0]!.primary, subnets, rest),
      ]);
      const findings: Findings = {
        ...found,
        gateway: { offers },
        addressOrder: addressOrderHere(),
        firewall: ipv6FirewallHere(),
      };
      if (options.json === true) printJson(reportInJson(findings));
      else for (const line of reportInWords(findings)) printLine(line);
      finish(found.checks[0]!.qualified ? EXIT.OK : EXIT.FAILED);
    });
}

async function checkAndMeasure(
  candidates: readonly ServerCandidate[],
  options: NetcheckOptions,
): Promise<Findings> {
  const checks = await checkServers(candidates, options);
  return { checks, ...(await measure(checks, candidates, options)) };
}

async function checkServers(
  candidates: readonly ServerCandidate[],
  options: NetcheckOptions,
): Promise<ServerCheck[]> {
  const checks: ServerCheck[] = [];
  // With a port given, one after the other: they share it.
  const check = (candidate: ServerCandidate): Promise<ServerCheck> =>
    checkServer(candidate, options, kernelPorts());
  if (options.port === undefined) checks.push(...(await Promise.all(candidates.map(check))));
  else for (const candidate of candidates) checks.push(await check(candidate));
  return checks.sort(byUsefulness);
}

/** The NAT, by the servers that have answered; without one there is nothing to be found out. */
async function measure(
  checks: readonly ServerCheck[],
  candidates: readonly ServerCandidate[],
  { bind, port, lifetime }: NetcheckOptions,
): Promise<Omit<Findings, 'checks'>> {
  const servers = checks
    .filter(({ mapped }) => mapped !== undefined)
    .flatMap(({ primaryNumber }) => candidates.find(({ primary }) => primary === primaryNumber) ?? []);
  const [server] = servers;
  if (server === undefined) return {};
  const roundTripMs = checks[0]!.roundTripMs ?? 0;
  const behaviour = await measureNat({ servers, bind, port, roundTripMs }, kernelPorts());
  if (lifetime === undefined) return { behaviour };
  const limit = lifetime === true ? LIFETIME_SECONDS : lifetime;
  process.stderr.write(`measuring how long a mapping lives: ${limit} s at the most\n`);
  const found = await measureLifetime(
    { server: server.primary, bind, roundTripMs, limitMs: limit * 1_000 },
    kernelPorts(),
  );
  return { behaviour, lifetime: { found } };
}

function byUsefulness(a: ServerCheck, b: ServerCheck): number {
  if (a.qualified !== b.qualified) return a.qualified ? -1 : 1;
  return (a.roundTripMs ?? Infinity) - (b.roundTripMs ?? Infinity);
}
