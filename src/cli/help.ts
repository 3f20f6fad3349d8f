import { CommanderError } from 'commander';
import type { Command } from 'commander';
import { exampleOf } from './examples.ts';

/** Has `--help` begin with the required options, and end with an example. `path`: the words of the command. */
export function arrangeHelp(command: Command, path: string): void {
  const required = command.options.filter(({ mandatory }) => mandatory);
  for (const option of required) option.helpGroup('Required options:');
  if (required.length > 0) command.usage([...required.map(({ flags }) => flags), command.usage()].join(' '));
  const example = exampleOf(path);
  if (example !== '') command.addHelpText('after', example);
}

/** An option that prints this text instead of running the command. */
export function addHelpOption(command: Command, flag: string, description: string, text: string): Command {
  return command.option(flag, description).on(`option:${flag.slice(2)}`, () => {
    process.stdout.write(text);
    throw new CommanderError(0, 'commander.helpDisplayed', flag);
  });
}
