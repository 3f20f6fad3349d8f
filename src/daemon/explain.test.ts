import { expect, test } from 'vitest';
import { explainReason } from './explain.ts';

test('a server that does not answer may also refuse this host', () => {
  expect(explainReason('no-answer')).toMatch(/server is down, .* refuses the address of this host/);
});
