import { Command } from 'commander';
import { execute } from '../../lab/index.ts';
import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import { runDemo } from './run.ts';

/** `teredo demo`: a whole Internet in namespaces, with Teredo at work in it. */
export function demoCommand(finish: (exitCode: number) => void): Command {
  return new Command('demo')
    .description(
      'show it all on this machine: server, relay, two NATs, two clients and a native host in namespaces',
    )
    .option('--keep', 'leave everything running at the end, to look round, until interrupted')
    .action(async (options: { keep?: boolean }) => {
      if (process.getuid?.() !== 0) {
        throw new CommandFailure(
          EXIT.NOT_PERMITTED,
          'the demo makes network namespaces, which needs root: sudo teredo demo',
        );
      }
      for (const [program, debian] of [
        ['ip', 'iproute2'],
        ['nft', 'nftables'],
        ['ping', 'iputils-ping'],
      ]) {
        requireProgram(program!, debian!);
      }
      finish(await runDemo(options.keep ?? false));
    });
}

function requireProgram(program: string, debian: string): void {
  try {
    execute(program, ['-V']);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return; // it is there, whatever it thinks of -V
    throw new CommandFailure(EXIT.FAILED, `the program "${program}" is missing: apt-get install ${debian}`);
  }
}
