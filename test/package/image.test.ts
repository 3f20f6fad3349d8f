/** The OCI image, unpacked by a tool that others made: its program runs without any other file. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS, execute } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
/** A container's view: files of the image, file systems of the kernel. The mounts go with the process. */
const INSIDE = `for name in proc sys dev; do mkdir -p "$0/$name" && mount --rbind /$name "$0/$name" || exit; done
exec chroot "$0" "$@"`;

describe.skipIf(!IS_ALL || process.getuid?.() !== 0)('the OCI image', () => {
  let work: string;
  let files: string;

  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'teredo-image-'));
    execute(process.execPath, [join(ROOT, 'scripts', 'package.mjs'), '--fast', '--out', work, 'amd64']);
    const archive = join(work, `teredo_${version}_amd64.oci.tar`);
    execute('tar', ['-xf', archive, '-C', work]);
    execute('umoci', ['unpack', '--image', `${work}:${version}`, join(work, 'bundle')]);
    files = join(work, 'bundle', 'rootfs');
  }, 900_000);
  afterAll(() => rmSync(work, { recursive: true, force: true }), 60_000);

  const insideArgs = (...command: string[]): string[] => ['-m', 'sh', '-c', INSIDE, files, ...command];
  const start = (host: Namespace, ...args: string[]): Running =>
    host.spawn('unshare', insideArgs('teredo', ...args));

  test('its program is started by the image, and its health check asks whether it can serve', () => {
    const { process: started } = JSON.parse(readFileSync(join(work, 'bundle', 'config.json'), 'utf8')) as {
      process: { args: string[] };
    };
    expect(started.args).toEqual(['teredo']);
    const { config } = configIn(work);
    expect(config.Healthcheck.Test).toEqual(['CMD', 'teredo', 'ready']);
  });

  test(
    'server and client run from it, and the health check sees the client',
    { timeout: 60_000 },
    async () => {
      await using net = new Internet();
      const site = net.site('a', 'port-restricted');
      await start(net.server, 'server', '--address', SERVER_ADDRESS).waitFor(/is running/);
      const name = `image-${process.pid}`;
      await start(site.client, 'client', '--server', SERVER_ADDRESS, '--name', name).waitFor(
        /qualified: 2001:0:/,
      );
      expect(await start(site.client, 'ready', name).exited).toBe(0);
      expect(await start(site.client, 'ready', 'no-such-daemon').exited).not.toBe(0);
    },
  );
});

interface ImageConfig {
  readonly config: { readonly Healthcheck: { readonly Test: readonly string[] } };
}

function configIn(layout: string): ImageConfig {
  const index = jsonOf(layout, 'index.json') as { manifests: { digest: string }[] };
  const manifest = jsonOf(layout, blobOf(index.manifests[0]!.digest)) as { config: { digest: string } };
  return jsonOf(layout, blobOf(manifest.config.digest)) as ImageConfig;
}

function blobOf(digest: string): string {
  return join('blobs', digest.replace(':', '/'));
}

function jsonOf(folder: string, file: string): unknown {
  return JSON.parse(readFileSync(join(folder, file), 'utf8'));
}
