import { Command } from 'commander';
import { runAgent, runAttachingAgent } from '../../io/guest/agent.ts';

/** `teredo guest-agent`: started by `teredo exec` and `teredo attach` inside a guest. */
export function guestAgentCommand(): Command {
  return new Command('guest-agent')
    .description('works inside the private network of "teredo exec" and "teredo attach"')
    .argument('[words...]', 'the program of the guest')
    .option('--attach <interface>', 'add this interface to the network')
    .passThroughOptions()
    .action((words: string[], { attach }: { readonly attach?: string }) =>
      process.exit(attach === undefined ? runAgent(words) : runAttachingAgent(attach)),
    );
}
