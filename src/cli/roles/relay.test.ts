import { expect, test } from 'vitest';
import { hostRelayCommand, relayCommand } from './relay.ts';

test('only a relay has --announce, which the help for a wrong address names', () => {
  const longOf = (command: typeof relayCommand): (string | undefined)[] =>
    command(() => {}).options.map(({ long }) => long);
  expect(longOf(relayCommand)).toContain('--announce');
  expect(longOf(hostRelayCommand)).not.toContain('--announce');
});

test('the help of relay and host-relay says when bubbles go straight to clients', () => {
  const helpOf = (command: typeof relayCommand): string =>
    command(() => {})
      .helpInformation()
      .replaceAll(/\s+/g, ' ');
  expect(helpOf(hostRelayCommand)).toContain('(default: where its IPv4 address is not global)');
  expect(helpOf(relayCommand)).toContain('(its IPv4 address is not global), bubbles go straight to clients');
});
