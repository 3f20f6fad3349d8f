/** The npm package, packed and installed under each supported version of Node.js: program, types, examples. */
import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeFolder } from '../../scripts/npm-files.mjs';
import { Internet, SERVER_ADDRESS, execute } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const VERSIONS = ['20.19.0', '22.23.3', '24.21.0'];
/** As in docs/guide/library.md. */
const COMPILE = ['--target', 'es2022', '--lib', 'esnext', '--module', 'nodenext', '--types', 'node'];

describe.skipIf(!IS_ALL || process.getuid?.() !== 0)('npm package', () => {
  let work: string;
  let archive: string;

  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'teredo-npm-'));
    archive = join(work, execute('npm', ['pack', '--silent', '--pack-destination', work, ROOT]).trim());
  }, 60_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  describe.each(VERSIONS)('under Node.js %s', (version) => {
    let folder: string;
    let node: string;

    beforeAll(() => {
      node = join(nodeFolder('x64', version), 'bin', 'node');
      folder = mkdtempSync(join(work, 'project-'));
      const npm = realpathSync(execute('sh', ['-c', 'command -v npm']).trim());
      execute(node, [npm, 'install', '--silent', '--prefix', folder, archive]);
    }, 120_000);

    test('the program runs a server and a client that qualifies', { timeout: 60_000 }, async () => {
      const program = join(folder, 'node_modules', 'teredo', 'bin', 'teredo');
      await using net = new Internet();
      const site = net.site('a', 'port-restricted');
      const start = (host: typeof net.server, ...args: string[]) => host.spawn(node, [program, ...args]);
      await start(net.server, 'server', '--address', SERVER_ADDRESS).waitFor(/is running/);
      await start(site.client, 'client', '--server', SERVER_ADDRESS).waitFor(/qualified: 2001:0:/);
      expect(execute(node, [program, '--version'])).toMatch(/^\d+\.\d+\.\d+\n$/);
    });

    test('the examples compile with its types and run', { timeout: 120_000 }, async () => {
      const examples = join(folder, 'node_modules', 'teredo', 'examples');
      const sources = readdirSync(examples).filter((name) => name.endsWith('.ts'));
      execute('cp', [...sources.map((name) => join(examples, name)), folder]);
      execute(node, [
        '-e',
        'fs.writeFileSync(process.argv[1], `{"type":"module"}`)',
        join(folder, 'package.json'),
      ]);
      const types = ['--typeRoots', join(ROOT, 'node_modules', '@types')];
      const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
      execute('env', [
        '-C',
        folder,
        node,
        tsc,
        ...COMPILE,
        ...types,
        ...sources.map((name) => join(folder, name)),
      ]);
      const compiled = (name: string): string => join(folder, `${basename(name, '.ts')}.js`);

      expect(execute(node, [compiled('decode.ts')])).toBe('192.0.2.1:4096\n');
      await using net = new Internet();
      const site = net.site('a', 'port-restricted');
      await net.server.spawn(node, [compiled('server-and-relay.ts'), SERVER_ADDRESS]).waitFor(/running/);
      await site.client.spawn(node, [compiled('client.ts'), SERVER_ADDRESS]).waitFor(/this host is 2001:0:/);

      const program = join(folder, 'node_modules', 'teredo', 'bin', 'teredo');
      const name = net.relay.name;
      await net.relay.spawn(node, [program, 'host-relay', '--name', name]).waitFor(/is running/);
      await net.relay.spawn(node, [compiled('watch.ts'), name]).waitFor(new RegExp(`^${name} running$`, 'm'));
    });
  });
});
