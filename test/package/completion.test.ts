/** Completion in the shells, with the scripts of packaging/completion/ and a daemon that has peers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { networkNamespace } from '../../src/control/network-namespace.ts';
import { IS_ALL } from '../support/extent.ts';

const BIN = fileURLToPath(new URL('../../bin/', import.meta.url));
const SCRIPTS = fileURLToPath(new URL('../../packaging/completion/', import.meta.url));
const PEERS = ['2001:db8:2::2', '2001:db8:3::3'];

let folder: string;
let daemon: Server;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'teredo-completion-'));
  const result = {
    version: 1,
    name: 'completed-x',
    networkNamespace: networkNamespace(),
    peers: PEERS.map((address) => ({ address })),
  };
  daemon = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.end(JSON.stringify({ ok: true, result }));
  }).listen(join(folder, 'completed-x.sock'));
  await once(daemon, 'listening');
});

afterAll(() => {
  daemon.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The lines that a program prints. */
async function linesOf(command: string, args: readonly string[]): Promise<string[]> {
  const env = {
    ...process.env,
    TEREDO_RUNTIME_DIR: folder,
    PATH: `${BIN}${delimiter}${process.env['PATH']}`,
  };
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  expect(await once(child, 'close')).toEqual([0, null]);
  return text.split('\n').filter((line) => line !== '');
}

test('the program knows daemons and peers of this machine', async () => {
  expect(await linesOf('teredo', ['complete', '--', 'status', 'completed-'])).toEqual([
    'completed-x\tdaemon',
  ]);
  expect(await linesOf('teredo', ['complete', '--', 'ping', ''])).toEqual(
    PEERS.map((address) => `${address}\tpeer`),
  );
});

/** The words that each shell offers at the end of a command line. */
const SHELLS: Readonly<Record<string, (words: readonly string[]) => Promise<string[]>>> = {
  bash: (words) =>
    linesOf('bash', [
      '-c',
      `. /usr/share/bash-completion/bash_completion && . ${SCRIPTS}teredo.bash || exit
       COMP_WORDS=(teredo "$@") COMP_CWORD=$# COMP_LINE="teredo $*" COMP_POINT=\${#COMP_LINE}
       _teredo && printf '%s\\n' "\${COMPREPLY[@]}"`,
      'bash',
      ...words,
    ]),
  zsh: (words) =>
    linesOf('zsh', [
      '-f',
      '-c',
      // The functions of zsh's completion system work in an interactive shell only.
      `_call_program() { shift; eval "$@" }
       _describe() { print -rl -- "\${(@P)2}" }
       _files() { print -rl -- $words[CURRENT]* }
       f() { local -a words=(teredo "$@") CURRENT; CURRENT=$#words; eval "$(<${SCRIPTS}_teredo)" }
       f "$@"`,
      'zsh',
      ...words,
    ]).then((lines) => lines.map((line) => line.replace(/(?<!\\):.*/, '').replaceAll('\\', ''))),
  fish: (words) =>
    linesOf('fish', ['-c', `source ${SCRIPTS}teredo.fish; complete -C "teredo $argv"`, ...words]).then(
      (lines) => lines.map((line) => line.replace(/\t.*/, '')),
    ),
};

test.skipIf(!IS_ALL).for(Object.keys(SHELLS))(
  '%s completes commands, options, values, names and files',
  async (shell) => {
    const offers = SHELLS[shell]!;
    expect(await offers(['host'])).toEqual(['host-relay']);
    expect(await offers(['client', '--data-'])).toEqual(['--data-path']);
    expect(await offers(['client', '--data-path', 'k'])).toEqual(['kernel']);
    expect(await offers(['relay', '--limit', 'errors.b'])).toEqual(['errors.burst=']);
    expect(await offers(['status', 'comp'])).toEqual(['completed-x']);
    // bash completes the part behind the last colon.
    expect(await offers(['ping', '2001:db8:2'])).toEqual([shell === 'bash' ? '2::2' : PEERS[0]]);
    expect(await offers(['client', '--secret-file', '/etc/hostn'])).toEqual(['/etc/hostname']);
  },
);
