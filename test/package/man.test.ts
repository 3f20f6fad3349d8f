/** The manual pages as a reader sees them, compared with `--help`. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeProgram } from '../../src/cli/program.ts';
import { execute } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const program = makeProgram(() => {});
const COMMANDS = program
  .createHelp()
  .visibleCommands(program)
  .map((command) => command.name())
  .filter((name) => name !== 'help');

describe.skipIf(!IS_ALL)('manual pages', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'teredo-man-'));
    execute(process.execPath, [join(ROOT, 'scripts', 'man.mjs'), folder]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const rendered = (page: string): string =>
    execute('env', [
      'MANWIDTH=2000',
      'MAN_KEEP_FORMATTING=',
      'LC_ALL=C.UTF-8',
      'man',
      '-l',
      join(folder, page),
    ]);

  /** The file of a command's page. */
  const pageOf = (command: string): string =>
    readdirSync(folder).find((name) => name.startsWith(`teredo-${command}.`))!;

  test('there is a page for the program and for each command, and teredo(8) names all', () => {
    expect(readdirSync(folder).sort()).toEqual(['teredo.8', ...COMMANDS.map(pageOf)].sort());
    const overview = rendered('teredo.8');
    for (const command of COMMANDS) expect(overview).toContain(pageOf(command).replace(/\.(\d)$/, '($1)'));
  });

  test.for(COMMANDS)('%s: the page has the options of --help with the same words', (command) => {
    const commandsBelow = new RegExp(`^${command.toUpperCase()} [A-Z]+$`, 'm');
    const [text] = rendered(pageOf(command)).split(commandsBelow);
    const options = optionsIn(execute(process.execPath, [join(ROOT, 'bin', 'teredo'), command, '--help']));
    expect(options.length).toBeGreaterThan(0);
    const words = inOneLine(text!);
    for (const option of options) expect(words).toContain(option);
    expect(text!.match(/^ {7}-\S/gm)).toHaveLength(options.length);
  });
});

/** The options of a help, each with its words in one line. */
function optionsIn(help: string): string[] {
  const from = help.search(/^(Required options|Options):$/m);
  const [list] = help.slice(from).split(/^(?!Required options:|Options:)(?=\S)/m);
  return list!
    .split(/^ {2}(?=-)/m)
    .slice(1)
    .map((entry) => inOneLine(entry.replace('Options:', '')));
}

function inOneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
