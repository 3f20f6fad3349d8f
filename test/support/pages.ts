/** Commands of the pages for readers, to be followed literally. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The block of commands on a page that contains this line. */
export function commandsOf(page: string, line: string): string {
  const blocks = textOf(page).matchAll(/^```sh\n([^]*?)^```|((?:^ {4}.*\n)+)/gm);
  const block = [...blocks]
    .map(([, fenced, indented]) => fenced ?? indented!)
    .find((text) => text.includes(line));
  if (block === undefined) throw new Error(`${page} has no commands with "${line}"`);
  return block;
}

/** One line of such a block, or one command inside a sentence. */
export function commandOf(page: string, command: string): string {
  if (!textOf(page).includes(command)) throw new Error(`${page} has no "${command}"`);
  return command;
}

/** systemctl refuses `--now` where systemd does not run. */
export function withoutManager(commands: string): string {
  return commands.replaceAll(' --now', '');
}

function textOf(page: string): string {
  return readFileSync(fileURLToPath(new URL(`../../${page}`, import.meta.url)), 'utf8');
}
