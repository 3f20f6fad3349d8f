import { expect, test } from 'vitest';
import { resolverText } from './resolver-file.ts';

const OWN = 'nameserver 127.0.0.1\n';

test.for([
  ['', OWN],
  ['nameserver 192.0.2.1\n  nameserver ::1\n', OWN],
  ['search a.test\nnameserver 192.0.2.1\noptions ndots:2', `search a.test\noptions ndots:2\n${OWN}`],
  ['# nameserver\nnameserver\t192.0.2.1\n\n', `# nameserver\n${OWN}`],
])('of %j only the name servers go', ([host, guest]) => {
  expect(resolverText(host!)).toBe(guest);
});

test('a very long file is cut', () => {
  expect(resolverText('#'.repeat(1_000_000)).length).toBeLessThan(40_000);
});
