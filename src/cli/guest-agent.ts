import { Command } from 'commander';

interface AgentOptions {
  readonly attach?: string;
  readonly sockets?: number;
  readonly names?: true;
}

/** `teredo guest-agent`: started inside a guest by the commands that make one. */
export function guestAgentCommand(): Command {
  return new Command('guest-agent')
    .description('works inside the private network of "teredo exec" and "teredo attach"')
    .argument('[words...]', 'the program of the guest')
    .option('--attach <interface>', 'add this interface to the network')
    .option('--sockets <number>', 'pass out a source of TCP sockets, and so many UDP sockets', Number)
    .option('--names', 'name the resolver of the guest again')
    .passThroughOptions()
    .action(async (words: string[], { attach, sockets, names }: AgentOptions) => {
      const { runAgent, runAttachingAgent, runNamingAgent } = await import('../../io/guest/agent.ts');
      if (names === true) process.exit(runNamingAgent());
      process.exit(attach === undefined ? runAgent(words, sockets) : runAttachingAgent(attach));
    });
}
