import { expect, test } from 'vitest';
import { EnvironmentError } from '../io/errors.ts';
import { explainNotLocal } from './start-notices.ts';

test('an address that is none of this host: the help names options that the role has', async () => {
  const start = (): Promise<void> =>
    Promise.reject(new EnvironmentError('not-local', '192.0.2.1 is none of this host'));
  await expect(explainNotLocal(start(), 'announce')).rejects.toThrow(/none of this host; .* --announce$/);
  await expect(explainNotLocal(start(), 'leave-out')).rejects.toThrow(
    /none of this host; leave --address out/,
  );
});
