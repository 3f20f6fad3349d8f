import { expect, test } from 'vitest';
import { SettingsError } from '../runtime/settings/settings-error.ts';
import { inOptions } from './option-of-setting.ts';
import { clientCommand } from './roles/client.ts';
import { relayCommand } from './roles/relay.ts';
import { serverCommand } from './roles/server.ts';

const CASES = [
  ['client', 'servers[0].primary', 'server'],
  ['client', 'servers', 'server'],
  ['client', 'meet', 'meet'],
  ['client', 'refresh', 'refresh'],
  ['client', 'secret.clientId', 'client-id'],
  ['client', 'secret.secret', 'secret-file'],
  ['client', 'dataPath', 'data-path'],
  ['client', 'limits.bubbles.burst', 'limit bubbles.burst'],
  ['client', 'defaultRoute', 'default-route'],
  ['client', 'inbound', 'inbound'],
  ['client', 'bind', 'bind'],
  ['client', 'secondary', 'secondary'],
  ['server', 'announceSecondary', 'announce-secondary'],
  ['relay', 'serve[1]', 'serve'],
  ['relay', 'access', 'allow'],
] as const;

test.for(CASES)('%s: a fault of the setting %s names the option --%s', ([, setting, option]) => {
  expect(inOptions(new SettingsError(setting, `${setting}: x is wrong`))).toBe(`--${option}: x is wrong`);
});

test.for([
  ['client', clientCommand],
  ['server', serverCommand],
  ['relay', relayCommand],
] as const)('%s has these options', ([role, command]) => {
  const names = command(() => {}).options.map(({ long }) => long);
  for (const [of, , option] of CASES) if (of === role) expect(names).toContain(`--${option.split(' ')[0]}`);
});

test('a message that does not begin with its setting is kept whole', () => {
  const error = new SettingsError('secondary', 'secondary is of one server, and 2 are named');
  expect(inOptions(error)).toBe('--secondary is of one server, and 2 are named');
  expect(inOptions(new SettingsError('port', 'wrong'))).toBe('--port: wrong');
});
