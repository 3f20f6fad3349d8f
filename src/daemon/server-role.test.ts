import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { MAPPED, PRIMARY, seededEntropy } from '../../test/support/client-rig.ts';
import { payloadOf } from '../../test/support/vectors.ts';
import { LogLines } from '../io/log-lines.ts';
import { MemoryPorts } from '../io/memory-ports.ts';
import { MemoryIpv4Network } from '../io/memory-udp.ts';
import { readKeys } from './secrets.ts';
import { ServerRole } from './server-role.ts';

/** A server with these keys, and a client that asks with its own. */
async function serverWith(keys: string) {
  vi.spyOn(LogLines.prototype, 'write').mockImplementation(() => {});
  onTestFinished(() => void vi.restoreAllMocks());
  const wire = new MemoryIpv4Network();
  const ports = new MemoryPorts(wire, [PRIMARY.address], seededEntropy(1));
  const settings = { address: PRIMARY.address, keys: readKeys(keys) };
  const role = new ServerRole(settings, ports, { end: () => {}, changed: () => {} });
  onTestFinished(() => role.close());
  await role.start();
  const client = wire.bind(MAPPED.address, MAPPED.port, MAPPED.address);
  let answers = 0;
  client.start(({ count }) => (answers += count));
  const isAnswered = async (): Promise<boolean> => {
    answers = 0;
    const asked = payloadOf('EX3');
    client.send(asked, 0, asked.length, PRIMARY.address, PRIMARY.port);
    client.flush();
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    return answers > 0;
  };
  return { role, isAnswered };
}

test('a reload takes the keys that the file has now, and no bad ones', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'teredo-keys-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const keys = join(folder, 'keys');
  const write = (text: string): void => writeFileSync(keys, text, { mode: 0o600 });
  write('client-1 s3cret\n');
  const { role, isAnswered } = await serverWith(keys);
  expect(await isAnswered()).toBe(true);
  write('client-2 s3cret\n');
  (await role.prepare({ keys }, new Set(['limits'])))();
  expect(await isAnswered()).toBe(true);
  (await role.prepare({ keys }, new Set(['keys'])))();
  expect(await isAnswered()).toBe(false);
  write('client-1\n');
  await expect(role.prepare({ keys }, new Set(['keys']))).rejects.toThrow(/want "CLIENT-ID SECRET"/);
  write('client-1 s3cret\n');
  (await role.prepare({ keys }, new Set(['keys'])))();
  expect(await isAnswered()).toBe(true);
});
