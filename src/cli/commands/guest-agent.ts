import { Command } from 'commander';
import { runAgent } from '../../io/guest/agent.ts';

/** `teredo guest-agent`: started by `teredo exec` and `teredo attach` inside a guest. */
export function guestAgentCommand(): Command {
  return new Command('guest-agent')
    .description('works inside the private network of "teredo exec"')
    .argument('[words...]', 'the program of the guest')
    .passThroughOptions()
    .action((words: string[]) => process.exit(runAgent(words)));
}
