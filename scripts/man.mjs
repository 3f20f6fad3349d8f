/**
 * `node scripts/man.mjs FOLDER`: the manual pages: teredo(8) from packaging/man/, and one page for each command, made from its declaration. scdoc turns them
 * into roff. The program has to be built.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './run.mjs';

/** Roles, and commands that make namespaces: for administrators. */
const ADMINISTRATION = new Set(['client', 'server', 'relay', 'host-relay', 'run', 'demo']);

/** The sources of all pages, by the name of the file without `.scd`. */
async function manSources(without) {
  const { makeProgram } = await import('../dist/cli/program.js');
  const { EXAMPLES } = await import('../dist/cli/examples.js');
  const all = visible(makeProgram(() => {}));
  const commands = all.filter((command) => !without.includes(command.name()));
  const pages = commands.map((command) => pageOf(command, EXAMPLES));
  const overview = readFileSync(join(root, 'packaging', 'man', 'teredo.8.scd'), 'utf8')
    .replace('@COMMANDS@', commands.map(entryOf).join('\n\n'))
    .replace('@PAGES@', commands.map(referenceTo).join(', '));
  return new Map([['teredo.8', overview], ...pages]);
}

/** Writes all pages to a folder as roff; returns their names. `date`: in seconds since 1970. `without`: commands that have none. */
export async function writeManPages(folder, date, without = []) {
  mkdirSync(folder, { recursive: true });
  const sources = await manSources(without);
  for (const [name, source] of sources) {
    const env = { ...process.env, SOURCE_DATE_EPOCH: String(date) };
    const { status, stdout, stderr, error } = spawnSync('scdoc', { input: source, encoding: 'utf8', env });
    if (status !== 0) throw error ?? new Error(`scdoc refuses ${name}: ${stderr}`);
    writeFileSync(join(folder, name), stdout);
  }
  return [...sources.keys()];
}

function pageOf(command, examples) {
  const section = sectionOf(command);
  const path = command.name();
  const name = `teredo-${path}`;
  const text = `${name}(${section})

# NAME

${name} - ${escaped(summaryOf(command))}

# SYNOPSIS

*teredo ${path}* ${escaped(command.usage())}

# DESCRIPTION

${escaped(sentence(command.description()))}
${notesOf(command)}
# OPTIONS

${optionsOf(command)}

${visible(command)
  .map((below) => sectionOn(below, `${path} ${below.name()}`, examples))
  .join('\n')}
${examples[path] === undefined ? '' : `# EXAMPLE\n\n${exampleOf(path, examples)}`}
# SEE ALSO

*teredo*(8)
`;
  return [`${name}.${section}`, text];
}

/** A command below another one. */
function sectionOn(command, path, examples) {
  return `# ${path.toUpperCase()}

*teredo ${path}* ${escaped(command.usage())}

${escaped(sentence(command.description()))}
${notesOf(command)}
${optionsOf(command)}

Example:

${exampleOf(path, examples)}
`;
}

function optionsOf(command) {
  const help = command.createHelp();
  return help
    .visibleOptions(command)
    .map((option) => `*${escaped(option.flags)}*\n\t${escaped(help.optionDescription(option))}`)
    .join('\n\n');
}

/** The text that `--help` has between options and example. */
function notesOf(command) {
  let text = '';
  command.emit('afterHelp', { command, error: false, write: (part) => void (text += part) });
  const notes = text.slice(0, text.lastIndexOf('\nExample: ')).trim();
  return notes === '' ? '' : `\n\`\`\`\n${notes}\n\`\`\`\n`;
}

function exampleOf(path, examples) {
  const [args, effect] = examples[path];
  return `*teredo ${path}* ${escaped(args)}\n\t${escaped(effect)}`;
}

function entryOf(command) {
  return `${referenceTo(command)}\n\t${escaped(sentence(command.description()))}`;
}

function referenceTo(command) {
  return `*teredo-${command.name()}*(${sectionOf(command)})`;
}

function sectionOf(command) {
  return ADMINISTRATION.has(command.name()) ? 8 : 1;
}

function visible(command) {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((below) => below.name() !== 'help');
}

function summaryOf(command) {
  return command.description().split(/[;:]/)[0];
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.)]$/.test(text) ? '' : '.'}`;
}

function escaped(text) {
  return text.replaceAll(/[\\_*#|~<>[\].+-]/g, String.raw`\$&`).replaceAll(/\s+/g, ' ');
}

if (process.argv[1] === import.meta.filename) await writeManPages(process.argv[2], 0);
