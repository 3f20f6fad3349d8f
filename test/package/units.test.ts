/** The unit in packaging/systemd/: as systemd wants it, and as the program does. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { EXIT } from '../../src/daemon/exit-codes.ts';

const UNIT = fileURLToPath(new URL('../../packaging/systemd/teredo@.service', import.meta.url));
const BIRD = fileURLToPath(new URL('../../packaging/bird/', import.meta.url));
const text = readFileSync(UNIT, 'utf8');
const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;

test('it runs a configuration, waits until the role can serve, and restarts it when it hangs', () => {
  expect(section('Service')).toMatch(/^ExecStart=teredo run %i$/m);
  expect(section('Service')).toMatch(/^ExecReload=teredo reload %i$/m);
  expect(section('Service')).toMatch(/^Type=notify$/m);
  expect(section('Service')).toMatch(/^WatchdogSec=[1-9]\d*$/m);
});

test('systemd starts it again however long network, DNS or address are away at boot, but not with a wrong configuration', () => {
  expect(section('Unit')).toMatch(/^StartLimitIntervalSec=0$/m);
  expect(section('Service')).toMatch(/^Restart=on-failure$/m);
  expect(section('Service')).toMatch(new RegExp(`^RestartPreventExitStatus=${EXIT.USAGE}$`, 'm'));
});

test('a restart keeps descriptors', () => {
  expect(section('Service')).toMatch(/^FileDescriptorStoreMax=64$/m);
});

describe.skipIf(!hasAnalyze)('systemd-analyze', () => {
  test('finds nothing wrong with it', () => {
    expect(complaintsAbout('client')).toEqual([]);
  });

  test.for(['relay', 'server'])('finds nothing wrong with the drop-in for several %ss', (role) => {
    expect(complaintsAbout(role, `several-${role}s.conf`)).toEqual([]);
  });

  test('rates its exposure 2.5 at the most', () => {
    expect(analyze('security', '--offline=true', '--threshold=25', UNIT).status).toBe(0);
  });
});

/** About an instance of the unit, with a drop-in of packaging/bird/. */
function complaintsAbout(instance: string, dropIn?: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-unit-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const unit = join(folder, `teredo@${instance}.service`);
  writeFileSync(unit, text.replaceAll('=teredo ', '=/bin/true ')); // the program may not be installed
  mkdirSync(`${unit}.d`);
  if (dropIn !== undefined) copyFileSync(join(BIRD, dropIn), join(`${unit}.d`, dropIn));
  const { stderr } = analyze('verify', '--man=no', unit);
  return stderr.split('\n').filter((line) => line.includes('teredo'));
}

function analyze(...args: string[]) {
  return spawnSync('systemd-analyze', args, { encoding: 'utf8' });
}

function section(title: string): string {
  const parts = text.split(/^\[(\w+)\]$/m);
  return parts[parts.indexOf(title) + 1]!;
}
