import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { noticesOfPortMappingFile, portMappingFile } from './port-mapping.ts';

test('a client of root that keeps its note elsewhere says so', { skip: process.getuid?.() !== 0 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'teredo-state-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  vi.stubEnv('STATE_DIRECTORY', directory);
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(noticesOfPortMappingFile()).toEqual([]);
  expect(portMappingFile('it')).toBe(join(directory, 'it.port-mapping'));
  chownSync(directory, 1234, 1234);
  expect(noticesOfPortMappingFile()).toEqual([
    `warning: ${directory} belongs to another account (uid 1234): opened ports are noted in /var/lib/teredo-root`,
  ]);
  expect(portMappingFile('it')).toBe('/var/lib/teredo-root/it.port-mapping');
});
