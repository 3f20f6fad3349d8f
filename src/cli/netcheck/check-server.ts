import type { InvalidAnswer, ServerCandidate, ServerResult } from '../../core/client/index.ts';
import type { NatKind, QualificationReason } from '../../core/events.ts';
import type { PortFactory } from '../../io/port-factory.ts';
import { Client } from '../../runtime/client.ts';
import type { ClientSnapshot } from '../../runtime/status.ts';
import { formatEndpoint, formatIpv4 } from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { probePort } from './probe-port.ts';

export interface CheckStep {
  readonly good: boolean;
  readonly text: string;
}

export interface ServerCheck {
  readonly name: string;
  readonly primary: string;
  readonly primaryNumber: Ipv4;
  readonly qualified: boolean;
  readonly nat: NatKind;
  readonly mapped?: string;
  readonly reason?: QualificationReason;
  readonly roundTripMs?: number;
  readonly steps: readonly CheckStep[];
}

/** Two phases of three solicitations, and a little more. */
const TIMEOUT_MS = 27_000;

/** Tries to qualify with one server, as a client would, and tells how far that came. */
export async function checkServer(
  candidate: ServerCandidate,
  options: { readonly bind?: Ipv4; readonly port?: number; readonly allowPrivate?: boolean },
  ports: PortFactory,
): Promise<ServerCheck> {
  const client = new Client(
    {
      servers: [candidate],
      bind: options.bind,
      port: options.port,
      allowPrivate: options.allowPrivate,
      localDiscovery: false,
      portMapping: 'off', // a check leaves nothing behind, and looks at the NAT as it is
    },
    ports,
  );
  const settled = new Promise<void>((resolve) => {
    client.on('state', (state, reason) => {
      if (state === 'qualified' || (state === 'offline' && reason !== undefined)) resolve();
    });
  });
  const timer = new AbortController();
  let objection: string | undefined;
  try {
    await client.start();
    const objected = new Promise<void>((resolve) => {
      void probePort(candidate.primary, options.bind).then((words) => {
        objection = words;
        if (words !== undefined) resolve();
      });
    });
    await Promise.race([settled, objected, delay(TIMEOUT_MS, timer.signal)]);
    return report(client, candidate, objection);
  } finally {
    timer.abort();
    await client.close();
  }
}

function report(client: Client, candidate: ServerCandidate, objection: string | undefined): ServerCheck {
  const status = client.status();
  const { state, nat, mapped, roundTripMs } = status;
  const qualified = state === 'qualified';
  const result = status.serverResults[0];
  const reason = qualified ? undefined : (status.reason ?? 'no-answer');
  const origin = mapped ?? result?.answers.at(-1)?.origin;
  const roundTrip = roundTripMs ?? result?.answers[0]?.roundTripMs;
  return {
    name: candidate.name ?? formatIpv4(candidate.primary),
    primary: formatIpv4(candidate.primary),
    primaryNumber: candidate.primary,
    qualified,
    nat,
    ...(origin === undefined ? {} : { mapped: formatEndpoint(origin) }),
    ...(reason === undefined ? {} : { reason }),
    ...(roundTrip === undefined ? {} : { roundTripMs: roundTrip }),
    steps: steps(status, result, objection),
  };
}

type Verdict = Pick<ClientSnapshot, 'state' | 'reason' | 'nat' | 'symmetricNatRuledOut'>;

/** Questions and answers, in the order of qualification (RFC 4380 section 5.2.1). */
export function steps(
  status: Verdict,
  result: ServerResult | undefined,
  objection: string | undefined,
): CheckStep[] {
  if (result === undefined) return [];
  const answers = result.answers.map(({ from, origin, roundTripMs }): CheckStep => ({
    good: true,
    text: `${formatEndpoint(from)} answers in ${roundTripMs.toFixed(1)} ms and sees us as ${formatEndpoint(origin)}`,
  }));
  // Each solicitation may get the same.
  const invalid = [...new Set(result.invalidAnswers.map(invalidInWords))].map((text): CheckStep => ({
    good: false,
    text,
  }));
  // One whose answers are not valid is not silent.
  const heardFrom = (target: Ipv4): boolean =>
    [...result.answers, ...result.invalidAnswers].some(({ from }) => from.address === target);
  const silent = [...new Set(result.solicitations.map(({ target }) => target))]
    .filter((target) => !heardFrom(target))
    .map((target): CheckStep => {
      const count = result.solicitations.filter((sent) => sent.target === target).length;
      if (objection !== undefined && target === result.primary) return { good: false, text: objection };
      return {
        good: false,
        text: `${formatIpv4(target)} does not answer (asked ${count === 1 ? 'once' : `${count} times`} over UDP port 3544)`,
      };
    });
  return [...answers, ...invalid, ...silent, ...verdict(status)];
}

function verdict({ state, reason, nat, symmetricNatRuledOut }: Verdict): CheckStep[] {
  if (nat === 'symmetric' || reason === 'symmetric-nat')
    return [{ good: false, text: 'the two addresses see different mappings: the NAT is symmetric' }];
  if (state !== 'qualified') return [];
  const text = symmetricNatRuledOut
    ? 'both addresses see the same mapping'
    : 'one address only: a symmetric NAT cannot be ruled out';
  return [{ good: true, text }];
}

function invalidInWords({ from, reason }: InvalidAnswer): string {
  const where = formatEndpoint(from);
  return reason === 'wrong-server-address'
    ? `${where} answers, which was not asked`
    : `${where}: invalid answer (${reason})`;
}

function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => clearTimeout(timer));
  });
}
