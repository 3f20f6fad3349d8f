import type { FORWARD_OPTIONS } from '../runtime/settings/forward-options.ts';
import { forwardRulesOf, serviceInWords } from '../runtime/settings/forward-rule.ts';
import type { ForwardRule } from '../runtime/settings/forward-rule.ts';
import type { Values } from '../runtime/settings/option.ts';
import { ValueError } from '../runtime/settings/parse.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';
import { Forwards } from './forward/forwards.ts';
import { runGuestService } from './guest-service.ts';
import { openLog } from './log.ts';

export type ForwardValues = Values<typeof FORWARD_OPTIONS>;

/** Has ports of a Teredo address lead to services of this host, until a signal comes. */
export async function runForward(values: ForwardValues, texts: readonly string[]): Promise<ExitCode> {
  await openLog(values);
  const rules = rulesOf(texts);
  if (values.inbound === 'refuse')
    throw new CommandFailure(
      EXIT.USAGE,
      '--inbound refuse would close the forwarded ports; in their network no other port is open',
    );
  const udpSockets = rules.filter(({ protocol }) => protocol === 'udp').length;
  const client = { ...values, listen: undefined, listenToken: undefined };
  return await runGuestService(client, udpSockets, async (network, address) => {
    const forwards = new Forwards(rules, network);
    return { message: messageOf(rules, address), close: () => forwards.close() };
  });
}

function rulesOf(texts: readonly string[]): ForwardRule[] {
  try {
    return forwardRulesOf(texts);
  } catch (error) {
    if (error instanceof ValueError) throw new CommandFailure(EXIT.USAGE, error.message);
    throw error;
  }
}

function messageOf(rules: readonly ForwardRule[], address: string): string {
  const ways = rules.map(
    (rule) => `${rule.protocol} [${address}]:${rule.port} leads to ${serviceInWords(rule)}`,
  );
  return `the whole IPv6 Internet can reach these services, which take it for this host: ${ways.join(', ')}`;
}
