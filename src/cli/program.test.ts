import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { EXAMPLES } from './examples.ts';
import { makeProgram } from './program.ts';

/** All commands of the help, by their words. */
function commandsOf(command: Command, above: readonly string[] = []): [string, Command][] {
  const visible = command.createHelp().visibleCommands(command);
  return command.commands
    .filter((below) => visible.includes(below))
    .flatMap((below) => {
      const path = [...above, below.name()];
      return [[path.join(' '), below] satisfies [string, Command], ...commandsOf(below, path)];
    });
}

/** A group of commands only names them. */
const isGroup = ({ commands: below, registeredArguments }: Command): boolean =>
  below.length > 0 && registeredArguments.length === 0;

const commands = commandsOf(makeProgram(() => {})).filter(([, command]) => !isGroup(command));

test('each command has an example, and each example is of a command', () => {
  expect(Object.keys(EXAMPLES).sort()).toEqual(commands.map(([path]) => path).sort());
});

describe.each(commands)('teredo %s', (path, command) => {
  test('its help ends with the example', () => {
    let help = '';
    command.configureOutput({ writeOut: (text) => void (help += text) }).outputHelp();
    const lines = help.trimEnd().split('\n');
    expect(lines.at(-2)).toBe(`Example: ${EXAMPLES[path]![1]}`);
    expect(lines.at(-1)).toBe(`  teredo ${path} ${EXAMPLES[path]![0]}`.trimEnd());
  });

  test('the example is a right invocation', () => {
    let hasRun = false;
    const program = makeProgram(() => {});
    const copy = commandsOf(program).find(([other]) => other === path)![1];
    copy.action(() => {
      hasRun = true;
    });
    const words = EXAMPLES[path]![0].split(' ').filter(Boolean);
    program.parse([...path.split(' '), ...words.map((word) => word.replaceAll("'", ''))], { from: 'user' });
    expect(hasRun).toBe(true);
  });

  test('a shell takes no part of the example for a pattern of file names', () => {
    const unquoted = EXAMPLES[path]![0].replaceAll(/'[^']*'/g, '');
    expect(unquoted).not.toMatch(/[[\]*?]/);
  });
});

test('required options are in the usage line, and first in the list', () => {
  const [, relay] = commands.find(([path]) => path === 'relay')!;
  const help = relay.helpInformation();
  expect(help).toMatch(/^Usage: teredo relay --address <address> \[options\]$/m);
  expect(help).toMatch(/\n\nRequired options:\n {2}--address /);
  expect(help.indexOf('Required options:')).toBeLessThan(help.indexOf('\nOptions:'));
});
