import { expect, test } from 'vitest';
import { EnvironmentError } from '../io/errors.ts';
import { parseIpv4 } from '../wire/index.ts';
import { explainNotLocal, noticesOfServer } from './start-notices.ts';

test('an address that is none of this host: the help names options that the role has', async () => {
  const start = (): Promise<void> =>
    Promise.reject(new EnvironmentError('not-local', '192.0.2.1 is none of this host'));
  await expect(explainNotLocal(start(), 'announce')).rejects.toThrow(/none of this host; .* --announce$/);
  await expect(explainNotLocal(start(), 'leave-out')).rejects.toThrow(
    /none of this host; leave --address out/,
  );
});

test.for([
  ['127.0.0.1', /is a loopback address: no other host can reach that server$/],
  ['10.0.0.1', /is a private address, which clients refuse: in a closed network --allow-private$/],
] as const)('a server at %s is a warning', ([text, words]) => {
  expect(noticesOfServer(parseIpv4(text)!, false)).toEqual([expect.stringMatching(words)]);
});
