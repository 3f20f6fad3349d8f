import { closeSync, fstatSync, openSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { execute } from '../../src/lab/index.ts';
import { attach } from '../../src/linux/bpf/attachment.ts';
import { loadPeerProgram } from '../../src/linux/bpf/peer-program.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';

test('a second close does not close the attachment of another object', () => {
  enterNewNetwork();
  execute('ip', ['link', 'add', 'wan', 'index', '10', 'type', 'veth', 'peer', 'name', 'far']);
  const program = loadPeerProgram({ peers: 16, served: 16, proofs: 16, reports: 1 << 16 });
  onTestFinished(() => program.close());
  const attachment = attach(program.program('decap'), 10, 'ingress', 3_545);
  expect(attachment.isAttached()).toBe(true);
  attachment.close();
  // The new descriptor has the number that the first one freed.
  const files = Array.from({ length: 3 }, () => openSync('/dev/null', 'r'));
  attachment.close();
  expect(attachment.isAttached()).toBe(false);
  for (const file of files) expect(() => fstatSync(file)).not.toThrow();
  for (const file of files) closeSync(file);
});
