import { parseArgs } from 'node:util';
import { runAgent, runAttachingAgent, runNamingAgent } from '../io/guest/agent.ts';

/**
 * `teredo guest-agent`: started inside a guest by the commands that make one.
 *
 *     [--sockets NUMBER] -- WORDS    becomes the program WORDS; passes out a source of TCP sockets, and so many UDP sockets
 *     --attach INTERFACE             adds this interface to the network
 *     --names                        names the resolver of the guest again
 */
export function runGuestAgent(args: readonly string[]): void {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { attach: { type: 'string' }, sockets: { type: 'string' }, names: { type: 'boolean' } },
  });
  const { attach, sockets, names } = values;
  if (names === true) process.exit(runNamingAgent());
  if (attach !== undefined) process.exit(runAttachingAgent(attach));
  process.exit(runAgent(positionals, sockets === undefined ? undefined : Number(sockets)));
}
