/** The units in packaging/: as systemd wants them, and as the program does. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const FOLDER = fileURLToPath(new URL('../../packaging/', import.meta.url));
const units = readdirSync(FOLDER).filter((name) => name.endsWith('.service'));
const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;

test('there is one for each role', () => {
  expect(units).toEqual([
    'teredo-client.service',
    'teredo-host-relay.service',
    'teredo-relay.service',
    'teredo-server.service',
  ]);
});

test.for(units)('%s: started by its role, waits for its word, is restarted when it hangs', (name) => {
  const text = readFileSync(FOLDER + name, 'utf8');
  const role = name.slice('teredo-'.length, -'.service'.length);
  expect(text).toMatch(
    new RegExp(`^ExecStart=/usr/bin/env teredo ${role} --name ${role} .*\\$OPTIONS$`, 'm'),
  );
  expect(text).toMatch(/^Type=notify$/m);
  expect(text).toMatch(/^WatchdogSec=[1-9]\d*$/m);
  expect(text).toMatch(/^Restart=on-failure$/m);
});

test.for(units)('%s: does not give up for good, however long the network or DNS is away at boot', (name) => {
  expect(section(name, 'Unit')).toMatch(/^StartLimitIntervalSec=0$/m);
  expect(section(name, 'Service')).toMatch(/^RestartSec=5$/m);
});

test.for(units)('%s: systemd finds nothing wrong with it', { skip: !hasAnalyze }, (name) => {
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', FOLDER + name], {
    encoding: 'utf8',
  });
  // systemd-analyze complains about other units of the machine too.
  expect(stderr.split('\n').filter((line) => line.includes(name))).toEqual([]);
  expect(status).toBe(0);
});

test.for(['relay', 'server'])(
  'the drop-in for several %ss: systemd finds nothing wrong with it',
  { skip: !hasAnalyze },
  (role) => {
    const folder = mkdtempSync(join(tmpdir(), 'teredo-units-'));
    try {
      const unit = `teredo-${role}.service`;
      const dropIn = `several-${role}s.conf`;
      copyFileSync(FOLDER + unit, join(folder, unit));
      mkdirSync(join(folder, `${unit}.d`));
      copyFileSync(`${FOLDER}bird/${dropIn}`, join(folder, `${unit}.d`, dropIn));
      const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', join(folder, unit)], {
        encoding: 'utf8',
      });
      expect(stderr.split('\n').filter((line) => line.includes(unit))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

function section(name: string, title: string): string {
  const parts = readFileSync(FOLDER + name, 'utf8').split(/^\[(\w+)\]$/m);
  return parts[parts.indexOf(title) + 1]!;
}
