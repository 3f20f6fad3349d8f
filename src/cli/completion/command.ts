import { Command } from 'commander';
import { EXIT } from '../../daemon/exit-codes.ts';
import { candidates } from './candidates.ts';
import type { Candidate } from './candidates.ts';
import { NAMES_HERE } from './known-names.ts';

/** `teredo complete`: the scripts in packaging/completion/ ask it. It prints one candidate a line, with its meaning behind a tab. */
export function completeCommand(program: Command): Command {
  return new Command('complete')
    .description('words that may stand at the cursor')
    .argument('[words...]', 'the command line up to the cursor, without its first word')
    .allowUnknownOption()
    .action(async (words: string[]) => {
      const found = await candidates(program, words, NAMES_HERE);
      process.stdout.write(found.map(lineOf).join(''), () => {
        process.exit(EXIT.OK); // a daemon may not have answered yet
      });
    });
}

function lineOf({ word, about }: Candidate): string {
  return about === '' ? `${word}\n` : `${word}\t${about}\n`;
}
