/** The licences of this program and of the npm packages in the single executable. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../run.mjs';

export function licenceText() {
  const parts = [['teredo', join(root, 'LICENSE')], ...packagesOfProgram().map(licenceOf)];
  return parts
    .map(([name, file]) => `${name}\n${'='.repeat(name.length)}\n\n${readFileSync(file, 'utf8').trim()}\n`)
    .join('\n\n');
}

/** Folders of all packages that the program needs, those of packages included. */
function packagesOfProgram() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .filter(([folder, { dev, os }]) => folder !== '' && dev !== true && os === undefined)
    .map(([folder]) => folder);
}

function licenceOf(folder) {
  const file = readdirSync(join(root, folder)).find((one) => /^licen[cs]e/i.test(one));
  if (file === undefined) throw new Error(`${folder} has no file with its licence`);
  return [folder.replace(/^.*node_modules\//, ''), join(root, folder, file)];
}
