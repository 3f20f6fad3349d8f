import { expect, test } from 'vitest';
import { formatHost } from '../../wire/proxy-target.ts';
import { addressesOfLocalhost, readHosts, readSearch } from './local-names.ts';

test('names of /etc/hosts, in large and small letters, with all their addresses', () => {
  const hosts = readHosts(
    '127.0.0.1 localhost\n2a00::1\tSix.example six # the first\n8.8.8.8 six.example\n\n# 1.1.1.1 no\nbad line\nfe80::1%eth0 zone',
  );
  const of = (name: string): string[] | undefined => hosts.get(name)?.map(formatHost);
  expect(of('six.example')).toEqual(['2a00::1', '8.8.8.8']);
  expect(of('six')).toEqual(['2a00::1']);
  expect(of('localhost')).toEqual(['127.0.0.1']);
  expect([of('no'), of('line'), of('the'), of('zone')]).toEqual([undefined, undefined, undefined, undefined]);
});

test('localhost, and all names below it, are this host', () => {
  for (const name of ['localhost', 'LOCALHOST', 'a.localhost'])
    expect(addressesOfLocalhost(name).map(formatHost)).toEqual(['127.0.0.1', '::1']);
  expect(addressesOfLocalhost('notlocalhost')).toEqual([]);
});

test.for([
  ['', 'a', ['a']],
  ['search x.example y.example.\n', 'a', ['a.x.example', 'a.y.example', 'a']],
  ['search x.example\n', 'a.b', ['a.b']],
  ['domain x.example\noptions rotate ndots:2\n', 'a.b', ['a.b.x.example', 'a.b']],
  ['search . # none\n', 'a', ['a']],
  ['search 1 2 3 4 5 6 7\n', 'a', ['a.1', 'a.2', 'a.3', 'a.4', 'a.5', 'a.6', 'a']],
] as const)('search list %j: %s', ([text, name, names]) => {
  expect(readSearch(text)(name)).toEqual(names);
});
