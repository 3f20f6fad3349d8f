/** The arguments of `npm run package`. Wrong ones end the process with status 2, before anything is made. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../run.mjs';
import { PROCESSORS } from './single-executable.mjs';

const USAGE = 'npm run package -- [--fast] [--out FOLDER] [amd64] [arm64]';
const OPTIONS = { fast: { type: 'boolean', default: false }, out: { type: 'string' } };

/** `cpus`: of PROCESSORS. `date`: of all files, in seconds since 1970. */
export function readRequest(args) {
  const { values, positionals } = parsed(args);
  return {
    cpus: processorsOf(positionals),
    isFast: values.fast,
    out: folderOf(values.out),
    date: dateOfSource(),
  };
}

function parsed(args) {
  try {
    return parseArgs({ args, allowPositionals: true, options: OPTIONS });
  } catch (error) {
    return refuse(error.message);
  }
}

function processorsOf(names) {
  const all = Object.entries(PROCESSORS);
  const known = all.map(([, { debian }]) => debian);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) refuse(`no package for "${unknown}": there are ${known.join(' and ')}`);
  return all.filter(([, { debian }]) => names.length === 0 || names.includes(debian)).map(([cpu]) => cpu);
}

/** It is made now: the packages take minutes. */
function folderOf(given) {
  if (given === '') refuse('--out names no folder');
  const folder = resolve(given ?? join(root, 'packages'));
  // Node's own function for this does not end in some file systems, such as /proc.
  const { status, stderr } = spawnSync('mkdir', ['-p', '--', folder], { encoding: 'utf8' });
  if (status !== 0) refuse(`--out ${folder}: ${stderr.trim()}`);
  try {
    accessSync(folder, constants.W_OK);
  } catch (error) {
    refuse(`--out ${folder}: ${error.message}`);
  }
  return folder;
}

/** The time of the commit, unless SOURCE_DATE_EPOCH says otherwise. */
function dateOfSource() {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && !/^\d{1,10}$/.test(given))
    refuse(`SOURCE_DATE_EPOCH="${given}" is no number of seconds since 1970`);
  if (given !== undefined) return Number(given);
  const { stdout } = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' });
  const commit = stdout?.trim();
  if (!commit) refuse('git knows no commit here, so the files have no date: set SOURCE_DATE_EPOCH');
  return Number(commit);
}

function refuse(why) {
  process.stderr.write(`${why}\nusage: ${USAGE}\n`);
  process.exit(2);
}
