/** Runs a command with the terminal passed through; returns its exit status. No shell. */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error !== undefined) process.stderr.write(`${command}: ${error.message}\n`);
  return status ?? 1;
}

/** Runs it beside this process, and ends it with this process. Resolves with its exit status, and all its output in one piece. */
export function runBeside(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const end = () => child.kill();
    process.once('exit', end);
    let output = '';
    const add = (text) => void (output += text);
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', add);
    child.on('error', (error) => add(`${command}: ${error.message}\n`));
    child.on('close', (status) => {
      process.off('exit', end);
      resolve({ status: status ?? 1, output });
    });
  });
}

/** Runs it; on a failure ends this process with the same status. */
export function mustRun(command, args, options) {
  const status = run(command, args, options);
  if (status !== 0) process.exit(status);
}

/** Runs it; only on a failure its output is shown, and this process ends. */
export function runQuietly(command, args) {
  const { status, error, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (status === 0) return;
  process.stderr.write(`${command}: ${error?.message ?? stderr}\n`);
  process.exit(1);
}

/** A program of node_modules. */
export function bin(name) {
  return fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url));
}
