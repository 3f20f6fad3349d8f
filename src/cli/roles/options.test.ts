/** Declared options, `--help` and settings are one list. */
import { describe, expect, test } from 'vitest';
import { v4 } from '../../../test/support/client-rig.ts';
import type { ClientSettings } from '../../runtime/client-settings.ts';
import type { RelaySettings } from '../../runtime/relay.ts';
import type { ServerSettings } from '../../runtime/server.ts';
import {
  checkClientSettings,
  checkRelaySettings,
  checkServerSettings,
} from '../../runtime/settings/check.ts';
import { CLIENT_OPTIONS } from '../../runtime/settings/client-options.ts';
import { kebab } from '../../runtime/settings/option.ts';
import type { Options } from '../../runtime/settings/option.ts';
import { HOST_RELAY_OPTIONS, RELAY_OPTIONS } from '../../runtime/settings/relay-options.ts';
import { SERVER_OPTIONS } from '../../runtime/settings/server-options.ts';
import { SettingsError } from '../../runtime/settings/settings-error.ts';
import { valuesOf } from '../flags.ts';
import { clientCommand } from './client.ts';
import { hostRelayCommand, relayCommand } from './relay.ts';
import { serverCommand } from './server.ts';

const HERE = v4('192.0.2.1');
const SERVERS = [{ primary: HERE, secondary: undefined }];

const check = {
  client: (more: object) => checkClientSettings({ servers: SERVERS, ...more } satisfies ClientSettings),
  server: (more: object) => checkServerSettings({ address: HERE, ...more } satisfies ServerSettings),
  relay: (more: object) =>
    checkRelaySettings({
      address: HERE,
      port: 3545,
      interface: 'teredo',
      ...more,
    } satisfies RelaySettings),
};

const ROLES: readonly (readonly [string, Options, typeof clientCommand, (more: object) => void])[] = [
  ['client', CLIENT_OPTIONS, clientCommand, check.client],
  ['server', SERVER_OPTIONS, serverCommand, check.server],
  ['relay', RELAY_OPTIONS, relayCommand, check.relay],
  ['host-relay', HOST_RELAY_OPTIONS, hostRelayCommand, check.relay],
];

/** Files, and values that the library has no rule for. */
const UNCHECKED = ['keys'];

describe.each(ROLES)('%s', (_role, options, make, checkSettings) => {
  const command = make(() => {});

  test('each flag is that of a declared option, with its help', () => {
    const expected = Object.entries(options).flatMap(([name, option]) => {
      const flag = option.flag ?? kebab(name);
      if ('kind' in option) return [[`--${flag} ${option.kind.placeholder}`, option.help]];
      const on = option.on === undefined ? [] : [[`--${flag}`, option.help]];
      const off = option.off === undefined ? [] : [[`--no-${flag}`, option.helpOff ?? option.help]];
      return [...on, ...off];
    });
    const declared = command.options.filter(({ long }) => long !== '--help-limits');
    expect(new Map(declared.map(({ flags, description }) => [flags, description]))).toEqual(
      new Map(expected as [string, string][]),
    );
    const help = command.helpInformation().replaceAll(/\s+/g, ' ');
    for (const [flags, text] of expected) expect(help).toContain(`${flags} ${text}`);
  });

  test('required options come first', () => {
    const required = command.options.map(({ mandatory }) => mandatory);
    expect(required).toEqual(required.toSorted((a, b) => Number(b) - Number(a)));
  });

  test('a flag has the name of its option, of a list that of one element', () => {
    for (const [name, { flag }] of Object.entries(options))
      if (flag !== undefined) expect(`${flag}s`).toBe(kebab(name));
  });

  test('defaults and required options are the declared ones', () => {
    for (const [name, option] of Object.entries(options)) {
      if (!('kind' in option)) continue;
      const { defaultValue, mandatory } = command.options.find(
        ({ long }) => long === `--${option.flag ?? kebab(name)}`,
      )!;
      expect([name, defaultValue, mandatory]).toEqual([name, option.default, option.required ?? false]);
    }
  });

  test('without flags only options with a default have a value', () => {
    const values = Object.entries(valuesOf(command, options)).filter(([, value]) => value !== undefined);
    const defaults = Object.entries(options).flatMap(([name, option]) =>
      'kind' in option && option.default !== undefined ? [[name, option.default]] : [],
    );
    expect(values).toEqual(defaults);
  });

  const checked = Object.entries(options).filter(
    ([name, option]) =>
      option.setting === undefined &&
      !UNCHECKED.includes(name) &&
      ('kind' in option || option.choices !== undefined),
  );
  test.each(checked)('the setting %s is checked, and its error names it', (name) => {
    let error: unknown;
    try {
      checkSettings({ [name]: 'no such value!' });
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(SettingsError);
    expect((error as SettingsError).setting.replace(/\W.*/, '')).toBe(name);
  });

  test('a value of a declared option that its kind allows is an allowed setting', () => {
    for (const [name, option] of Object.entries(options)) {
      if (!('kind' in option) || option.kind.faultOf === undefined || option.default === undefined) continue;
      expect(() => checkSettings({ [name]: option.default })).not.toThrow();
    }
  });
});
