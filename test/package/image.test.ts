/** The OCI image, unpacked by a tool that others made, and in containers of rootless podman: its program runs without any other file. */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Internet, NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS, execute } from '../../src/lab/index.ts';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { IS_ALL } from '../support/extent.ts';
import { makeUser } from '../support/guest.ts';
import type { User } from '../support/guest.ts';
import { NOBODY, withPodman } from '../support/podman.ts';
import { startRelay, startServer } from '../support/roles.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
/** A container's view: files of the image, file systems of the kernel. The mounts go with the process. */
const INSIDE = `for name in proc sys dev; do mkdir -p "$0/$name" && mount --rbind /$name "$0/$name" || exit; done
exec chroot "$0" "$@"`;

describe.skipIf(!IS_ALL || process.getuid?.() !== 0)('the OCI image', () => {
  let work: string;
  let archive: string;
  let files: string;

  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'teredo-image-'));
    chmodSync(work, 0o755);
    archive = join(work, `teredo_${version}_amd64.oci.tar`);
    execute(process.execPath, [join(ROOT, 'scripts', 'package.mjs'), '--fast', '--out', work, 'amd64']);
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

  /** A script on a host behind a NAT, with the image in the podman of its user. */
  const inPodman = (host: Namespace, user: User, script: string): Running =>
    withPodman(
      host,
      user,
      `IMAGE=localhost/teredo:${version}; podman load -q -i ${archive} && { ${script}\n}`,
    );

  test('podman: its entry point is the program', { timeout: 60_000 }, async () => {
    await using net = new Internet();
    const script =
      'podman run --rm --cgroups=disabled $IMAGE --version; podman run --rm --cgroups=disabled $IMAGE; echo "status $?"';
    const running = inPodman(net.site('a', 'port-restricted').client, makeUser(NOBODY), script);
    expect(await running.exited, running.output).toBe(0);
    expect(running.stdout).toContain(`\n${version}\n`);
    expect(running.output).toMatch(/Usage: teredo/);
    expect(running.stdout).toMatch(/status 2\n$/);
  });

  // podman itself mounts /run and /tmp over a read-only root, Docker nothing.
  const READ_ONLY = ['--read-only', '--read-only --read-only-tmpfs=false --tmpfs /run'];
  test.for(['', ...READ_ONLY])(
    'podman: a client with the device and CAP_NET_ADMIN, its health check, and its end %j',
    { timeout: 60_000 },
    async (options) => {
      await using net = new Internet();
      const [host, user] = [net.site('a', 'port-restricted').client, makeUser(NOBODY)];
      await startServer(net.server, SERVER_ADDRESS);
      await startRelay(net.relay, RELAY_ADDRESS);
      const script = `podman exec web ping -c 1 ${NATIVE_ADDRESS} && podman healthcheck run web && echo healthy`;
      const running = inPodman(host, user, withClient(options, script));
      expect(await running.exited, running.output).toBe(0);
      expect(running.stdout).toMatch(/ 1 received.*\nhealthy\n.*\nclient 0\n$/s);
    },
  );

  test(
    'podman: without a writable folder for its control socket, a client says so',
    { timeout: 60_000 },
    async () => {
      await using net = new Internet();
      const script = withClient('--read-only --read-only-tmpfs=false', ':');
      const running = inPodman(net.site('a', 'port-restricted').client, makeUser(NOBODY), script);
      expect(await running.exited, running.output).toBe(9);
      expect(running.output).toMatch(/^teredo: .*EROFS: read-only file system.* --tmpfs \/run/m);
    },
  );

  test('podman: without util-linux "exec" says so', { timeout: 60_000 }, async () => {
    await using net = new Internet();
    const script = `podman run --rm --cgroups=disabled $IMAGE exec --server ${SERVER_ADDRESS} -- true; echo "status $?"`;
    const running = inPodman(net.site('a', 'port-restricted').client, makeUser(NOBODY), script);
    expect(await running.exited, running.output).toBe(0);
    expect(running.output).toMatch(
      /^teredo: .*: it needs sh, and unshare, nsenter and setpriv of util-linux$/m,
    );
    expect(running.stdout).toMatch(/status 1\n$/);
  });
});

/** A client of the image with the name "web", while a script runs. Only the host has a shell. */
function withClient(options: string, script: string): string {
  const device = '--cap-add NET_ADMIN --device /dev/net/tun --sysctl net.ipv6.conf.all.disable_ipv6=0';
  const health = `--health-cmd '["teredo","ready"]'`;
  return `podman run --name web --cgroups=disabled ${device} ${health} ${options} $IMAGE client --server ${SERVER_ADDRESS} & client=$!
until podman exec web teredo ready; do kill -0 $client || exit 9; sleep 0.2; done
${script}
podman stop --time 5 web; wait $client; echo "client $?"`;
}

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
