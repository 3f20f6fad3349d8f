import type { ServerCandidate } from '../../core/client/index.ts';
import { EXIT } from '../../daemon/exit-codes.ts';
import type { ExitCode } from '../../daemon/exit-codes.ts';
import { noticesOfServer } from '../../daemon/start-notices.ts';
import { addressOrderHere } from '../../io/address-order.ts';
import { ipv6FirewallHere } from '../../io/ipv6-firewall.ts';
import { kernelPorts } from '../../io/kernel-ports.ts';
import { gatewayOffers } from '../../io/port-mapping/gateway-offers.ts';
import { resolveServers } from '../../runtime/servers.ts';
import { printJson, printLine } from '../output.ts';
import { checkServer } from './check-server.ts';
import type { ServerCheck } from './check-server.ts';
import { measureLifetime } from './lifetime.ts';
import { measureNat } from './nat-behaviour.ts';
import { LIFETIME_SECONDS } from './options.ts';
import type { NetcheckOptions } from './options.ts';
import { reportInJson, reportInWords } from './report.ts';
import type { Findings } from './report.ts';

/** Checks all servers, then the NAT; prints the findings. Resolves with the exit status. */
export async function runNetcheck(options: NetcheckOptions): Promise<ExitCode> {
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
  return found.checks[0]!.qualified ? EXIT.OK : EXIT.FAILED;
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
