/** The borders and rules of the design hold: a violation of each, planted in a copy of the house, is a lint error. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The other folders that a folder may import. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  core: ['wire'],
  sim: ['core', 'wire'],
  linux: [],
  lab: ['wire'],
  io: ['linux', 'core', 'wire'],
  runtime: ['io', 'core', 'wire'],
  control: ['runtime', 'io', 'core', 'wire'],
  daemon: ['control', 'runtime', 'io', 'core', 'wire'],
  cli: ['daemon', 'control', 'runtime', 'io', 'core', 'wire', 'lab'],
  dashboard: [],
};

const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  core: ['@noble/hashes/hmac.js'],
  sim: [],
  linux: ['koffi', 'node:fs'],
  lab: ['node:fs'],
  io: ['node:fs'],
  runtime: ['node:fs'],
  control: ['node:fs'],
  daemon: ['node:fs'],
  cli: ['node:fs', 'commander'],
  dashboard: [],
};
const ALL_PACKAGES = ['@noble/hashes/hmac.js', 'koffi', 'node:fs', 'commander'];

/** Of these an import is neither forbidden nor asked for. */
const NOT_JUDGED = new Set([
  'io @noble/hashes/hmac.js',
  'io commander',
  'runtime @noble/hashes/hmac.js',
  'runtime commander',
  'control @noble/hashes/hmac.js',
  'control commander',
  'daemon @noble/hashes/hmac.js',
  'daemon commander',
  'cli @noble/hashes/hmac.js',
]);

const FORBIDDEN_GLOBALS = [
  'Date.now()',
  'performance.now()',
  'Math.random()',
  'setTimeout(() => {}, 1)',
  'setInterval(() => {}, 1)',
  'setImmediate(() => {})',
  'globalThis.setTimeout(() => {}, 1)',
  'Buffer.alloc(1)',
  'process.pid',
  'console.log(1)',
  'crypto.getRandomValues(new Uint8Array(1))',
];

/** Rooms of the client, the lowest first. Each may import those below it, and the files that all share. */
const ROOMS = ['ask', 'traversal', 'peers', 'service', 'packets'];

/** How a method of the contract of machines may have more than five parameters. */
const ALLOWED = '  // eslint-disable-next-line eslint/max-params -- the contract of machines';

interface Plant {
  readonly file: string;
  readonly text: string;
  readonly forbidden: boolean;
}

const FOLDERS = Object.keys(ARROWS);
const plants: Plant[] = [
  ...FOLDERS.flatMap((from) => FOLDERS.filter((to) => to !== from).flatMap((to) => arrow(from, to))),
  ...FOLDERS.flatMap((from) => ALL_PACKAGES.flatMap((name) => packageImport(from, name))),
  ...['wire', 'core', 'sim'].flatMap((folder) =>
    FORBIDDEN_GLOBALS.flatMap((code, i) => [
      { file: `src/${folder}/global${i}.ts`, text: `export const x: unknown = ${code};`, forbidden: true },
      {
        file: `src/${folder}/global${i}.test.ts`,
        text: `export const x: unknown = ${code};`,
        forbidden: false,
      },
    ]),
  ),
  ...['vi.waitFor(() => {})', 'vi.waitUntil(() => true)', 'expect.poll(() => 1)'].flatMap((code, i) =>
    ['src/core', 'src/daemon'].map((folder) => ({
      file: `${folder}/deadline${i}.test.ts`,
      text: `import { expect, vi } from 'vitest';\nexport const x: unknown = [${code}, expect, vi];`,
      forbidden: true,
    })),
  ),
  {
    file: 'src/linux/type.ts',
    text: `import type { A } from '../wire/a.ts';\nexport type B = A;`,
    forbidden: false,
  },
  {
    file: 'src/wire/upwards.test.ts',
    text: `import { a } from '../io/a.ts';\nexport const b: unknown = a;`,
    forbidden: true,
  },
  {
    file: 'src/wire/files.test.ts',
    text: `import { a } from 'node:fs';\nexport const b: unknown = a;`,
    forbidden: false,
  },
  ...['status', 'words'].map((name) => ({
    file: `src/dashboard/control-${name}.ts`,
    text: `export * from '../control/${name}.ts';`,
    forbidden: false,
  })),
  ...['process.pid', 'Buffer.alloc(1)', 'document.body.innerHTML'].map((code, i) => ({
    file: `src/dashboard/global${i}.ts`,
    text: `export const x: unknown = ${code};`,
    forbidden: true,
  })),
  { file: 'src/export.ts', text: `export * from './cli/a.ts';`, forbidden: true },
  {
    file: 'src/io/ports.ts',
    text: `import type { A } from '../core/offload/carrier.ts';\nexport type B = A;`,
    forbidden: true,
  },
  ...ROOMS.flatMap((from, level) => [
    ...ROOMS.filter((to) => to !== from).map((to) => room(from, to, ROOMS.indexOf(to) > level)),
    roomFile(from, 'machine', '../client-machine.ts', true),
    roomFile(from, 'deep/machine', '../../client-machine.ts', true),
    roomFile(from, 'index', '../index.ts', true),
    roomFile(from, 'shared', '../context.ts', false),
    roomFile(from, 'upwards', '../../../io/a.ts', true),
    {
      file: `src/core/client/below-${from}.ts`,
      text: `import { a } from './${from}/index.ts';\nexport const b: unknown = a;`,
      forbidden: true,
    },
  ]),
  ...['peers', 'service', 'packets'].map((from) =>
    roomFile(from, 'through-the-wall', '../traversal/peer-paths.ts', true),
  ),
  roomFile('traversal', 'own', './peer-paths.ts', false),
  ...['core', 'core/relay', 'core/client', ...ROOMS.map((room) => `core/client/${room}`)].flatMap(
    (folder) => [
      { file: `src/${folder}/five.ts`, text: methods(5), forbidden: false },
      { file: `src/${folder}/six.ts`, text: methods(6), forbidden: true },
      { file: `src/${folder}/six.test.ts`, text: methods(6), forbidden: false },
      { file: `src/${folder}/contract.ts`, text: methods(6, ALLOWED), forbidden: false },
    ],
  ),
  { file: 'src/wire/six.ts', text: methods(6), forbidden: false },
  ...FOLDERS.flatMap((folder) => [
    { file: `src/${folder}/unhandled.ts`, text: switchOver(`default: return 0;`), forbidden: true },
    { file: `src/${folder}/handled.ts`, text: switchOver(`case 'lost': return 1;`), forbidden: false },
  ]),
  {
    file: 'src/core/client/client-machine.ts',
    text: `import { a } from './traversal/peer-paths.ts';\nexport const b: unknown = a;`,
    forbidden: true,
  },
];

/** A class with a method of so many parameters, with `comment` in the line above it. */
function methods(count: number, comment = ''): string {
  const parameters = Array.from({ length: count }, (_, i) => `a${i}: number`);
  const sum = parameters.map((_, i) => `a${i}`).join(' + ');
  return `export class Sum {\n${comment}\n  of(${parameters.join(', ')}): number { return ${sum}; }\n}`;
}

/** A function with a case for one of two kinds of events, and this. */
function switchOver(other: string): string {
  const head = `export function size(kind: 'found' | 'lost'): number {`;
  return `${head}\n  switch (kind) {\n    case 'found': return 2;\n    ${other}\n  }\n}`;
}

function room(from: string, to: string, forbidden: boolean): Plant {
  return roomFile(from, `to-${to}`, `../${to}/index.ts`, forbidden);
}

function roomFile(from: string, name: string, to: string, forbidden: boolean): Plant {
  const text = `import type { A } from '${to}';\nexport type B = A;`;
  return { file: `src/core/client/${from}/${name}.ts`, text, forbidden };
}

/** The way `from` would import `to`: flat and from a subfolder, as a value, a type, a re-export, and when needed. */
function arrow(from: string, to: string): Plant[] {
  const forbidden = !ARROWS[from]!.includes(to);
  const value = {
    file: `src/${from}/${to}-value.ts`,
    text: `import { a } from '../${to}/a.ts';\nexport const b: unknown = a;`,
    forbidden,
  };
  if (!forbidden) return [value];
  return [
    value,
    { file: `src/${from}/deep/${to}.ts`, text: `export * from '../../${to}/a.ts';`, forbidden },
    { file: `src/${from}/${to}-late.ts`, text: `export const a = import('../${to}/deep/a.ts');`, forbidden },
    ...(from === 'linux' && to === 'wire'
      ? []
      : [
          {
            file: `src/${from}/${to}-type.ts`,
            text: `import type { A } from '../${to}/a.ts';\nexport type B = A;`,
            forbidden,
          },
        ]),
  ];
}

function packageImport(from: string, name: string): Plant[] {
  if (NOT_JUDGED.has(`${from} ${name}`)) return [];
  const file = `src/${from}/package-${name.replace(/\W/g, '-')}.ts`;
  return [
    {
      file,
      text: `import a from '${name}';\nexport const b: unknown = a;`,
      forbidden: !PACKAGES[from]!.includes(name),
    },
  ];
}

let house: string;
let accused: ReadonlySet<string>;

beforeAll(() => {
  house = mkdtempSync(join(tmpdir(), 'borders-'));
  cpSync(join(ROOT, '.oxlintrc.json'), join(house, '.oxlintrc.json'));
  cpSync(join(ROOT, 'tsconfig.json'), join(house, 'tsconfig.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(house, 'node_modules'));
  for (const { file, text } of plants) {
    mkdirSync(dirname(join(house, file)), { recursive: true });
    writeFileSync(join(house, file), `${text}\n`);
  }
  accused = lint(house);
}, 60_000);

afterAll(() => rmSync(house, { recursive: true }));

/** The rules that the plants break. */
const RULES = ['no-restricted-', 'switch-exhaustiveness-check', 'max-params'];

/** The files with an error of one of {@link RULES}. */
function lint(folder: string): Set<string> {
  const { stdout } = spawnSync(join(ROOT, 'node_modules/.bin/oxlint'), ['-f', 'json', 'src'], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: { code: string; severity: string; filename: string }[];
  };
  const errors = diagnostics.filter(
    ({ code, severity }) => severity === 'error' && RULES.some((rule) => code.includes(rule)),
  );
  return new Set(errors.map(({ filename }) => filename));
}

test('every folder of src has its borders', () => {
  const folders = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  expect(folders.map(({ name }) => name).toSorted()).toEqual(FOLDERS.toSorted());
});

test.for([
  ...FOLDERS.map((name) => `src/${name}/`),
  ...ROOMS.map((name) => `src/core/client/${name}/`),
  'src/core/client/below-',
  'src/core/client/client-machine.ts',
  'src/io/ports.ts',
  'src/export.ts',
])('a forbidden import in %s is an error', (start) => {
  const forbidden = plants
    .filter(({ forbidden, file }) => forbidden && file.startsWith(start))
    .map(({ file }) => file);
  expect(forbidden).not.toEqual([]);
  expect(forbidden.filter((file) => !accused.has(file))).toEqual([]);
});

test('imports that the design allows are no error', () => {
  const allowed = plants.filter(({ forbidden }) => !forbidden).map(({ file }) => file);
  expect(allowed.filter((file) => accused.has(file))).toEqual([]);
});
