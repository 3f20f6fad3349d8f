/** Files of npm packages that `npm ci` does not install: of other versions of Node.js, and for other processors. Fetched once, and checked. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun, root } from './run.mjs';

const CACHE = join(root, 'node_modules', '.cache', 'teredo-npm');
/** SHA-512 of the packages with the programs of nodejs.org, by processor and version. */
const NODE_HASHES = {
  'x64 20.19.0': 'HzVYgEgabV/n3nP2F9mcxS0Nxgg99jynX9CMovakLmSYTuTdQRbbtw0yadY8+qKcqXfiDAtb2hmtR7nDPzclGA==',
  'x64 22.23.3': 'qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
  'x64 24.21.0': '3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  'arm64 24.21.0': 'FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
};

/** Folder with `bin/node` and `LICENSE` of Node.js. */
export function nodeFolder(cpu, version) {
  const hash = NODE_HASHES[`${cpu} ${version}`];
  if (hash === undefined) throw new Error(`no hash of Node.js ${version} for ${cpu} is known`);
  return folderOf(`node-linux-${cpu}`, version, `sha512-${hash}`, ['bin/node', 'LICENSE']);
}

/** Folder of a package that the lock file names, with these files. */
export function lockedFolder(name, files) {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const { version, integrity } = lock.packages[`node_modules/${name}`];
  return folderOf(name, version, integrity, files);
}

function folderOf(name, version, integrity, files) {
  const folder = join(CACHE, `${name.replace('/', '-')}-${version}`);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(CACHE, 'fetched-'));
  try {
    const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };
    mustRun('npm', ['pack', '--silent', '--pack-destination', work, `${name}@${version}`], quiet);
    const archive = join(work, readdirSync(work)[0]);
    const hash = createHash('sha512').update(readFileSync(archive)).digest('base64');
    if (integrity !== `sha512-${hash}`) throw new Error(`${name}@${version} is not the expected package`);
    const members = files.map((file) => `package/${file}`);
    mustRun('tar', ['-xzf', archive, '-C', work, '--no-same-owner', ...members]);
    renameSync(join(work, 'package'), folder);
  } catch (error) {
    if (error.code !== 'ENOTEMPTY') throw error; // else another process has fetched it, too
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}
