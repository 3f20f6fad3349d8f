/** An OCI image of the Debian package and the libraries it needs, as an archive for `podman load`, `docker load` and `skopeo`. */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from '../run.mjs';

const DEBIAN = 'bookworm';
/** `base-files` has the usual folders; `iproute2` makes interfaces and routes, `iputils-ping` is for `teredo ping`. */
const INCLUDED = ['base-files', 'libc6', 'libstdc++6', 'libgcc-s1', 'libbpf1', 'iproute2', 'iputils-ping'];
/** Manual pages, translations and lists of packages: no program reads them. */
const LEFT_OUT = ['usr/share/man', 'usr/share/locale', 'usr/share/lintian', 'var/lib/apt', 'var/cache'];
/** Docker's own field: the specification of OCI has none. Times are in nanoseconds. */
const HEALTH_CHECK = { Test: ['CMD', 'teredo', 'ready'], Interval: 30e9, Timeout: 10e9, StartPeriod: 15e9 };
const TAR = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--format=gnu'];

/** Makes the image of a Debian package in the folder `work`, and returns its file. */
export function makeImage({ deb, architecture, version, date, work }) {
  const blobs = join(work, 'layout', 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  const layer = makeLayer({ deb, architecture, date, work });
  const plain = sha256(layer);
  mustRun('gzip', ['-6n', layer]);
  const created = new Date(date * 1_000).toISOString();
  const config = storeJson(blobs, 'application/vnd.oci.image.config.v1+json', {
    created,
    architecture,
    os: 'linux',
    config: {
      Entrypoint: ['teredo'],
      Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
      Healthcheck: HEALTH_CHECK,
      Labels: { 'org.opencontainers.image.version': version },
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${plain}`] },
    history: [{ created, comment: `teredo ${version} on Debian ${DEBIAN}` }],
  });
  const manifest = storeJson(blobs, 'application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers: [store(blobs, 'application/vnd.oci.image.layer.v1.tar+gzip', `${layer}.gz`)],
  });
  const names = {
    'org.opencontainers.image.ref.name': version,
    'io.containerd.image.name': `localhost/teredo:${version}`,
  };
  const layout = join(work, 'layout');
  writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations: names }] };
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index));
  const file = join(work, `teredo_${version}_${architecture}.oci.tar`);
  mustRun('tar', [
    ...TAR,
    `--mtime=@${date}`,
    '-cf',
    file,
    '-C',
    layout,
    'oci-layout',
    'index.json',
    'blobs',
  ]);
  return file;
}

/** All files of the container as a tar file. */
function makeLayer({ deb, architecture, date, work }) {
  const folder = join(work, 'container');
  const mmdebstrap = [
    '--quiet',
    '--variant=extract',
    `--arch=${architecture}`,
    `--include=${INCLUDED.join(',')}`,
  ];
  mustRun('mmdebstrap', [...mmdebstrap, DEBIAN, folder]);
  mustRun('dpkg-deb', ['-x', deb, folder]);
  for (const path of LEFT_OUT) rmSync(join(folder, path), { recursive: true, force: true });
  const layer = join(work, 'layer.tar');
  mustRun('tar', [...TAR, `--mtime=@${date}`, '--exclude=./dev/*', '-cf', layer, '-C', folder, '.']);
  return layer;
}

/** Files of the layout are named by their hashes. */
function store(blobs, mediaType, file) {
  const hash = sha256(file);
  copyFileSync(file, join(blobs, hash));
  return { mediaType, digest: `sha256:${hash}`, size: statSync(file).size };
}

function storeJson(blobs, mediaType, value) {
  const file = join(blobs, 'new.json');
  writeFileSync(file, JSON.stringify(value));
  const descriptor = store(blobs, mediaType, file);
  rmSync(file);
  return descriptor;
}

function sha256(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
