import { CLIENT_OPTIONS } from '../runtime/settings/client-options.ts';
import { flagOf, kebab } from '../runtime/settings/option.ts';
import type { Options } from '../runtime/settings/option.ts';
import { HOST_RELAY_OPTIONS, RELAY_OPTIONS } from '../runtime/settings/relay-options.ts';
import { SERVER_OPTIONS } from '../runtime/settings/server-options.ts';
import type { SettingsError } from '../runtime/settings/settings-error.ts';

const ALL: readonly Options[] = [CLIENT_OPTIONS, SERVER_OPTIONS, RELAY_OPTIONS, HOST_RELAY_OPTIONS];

/** The first option that fills each setting. */
const FLAGS = new Map(
  ALL.flatMap((options) =>
    Object.entries(options).map(([name, option]) => [option.setting || name, flagOf(name, option)] as const),
  ).toReversed(),
);

/** The message of an error of the settings, for the command line: the setting that begins it becomes the option that fills it. */
export function inOptions({ setting, message }: SettingsError): string {
  const rest = message.startsWith(setting) ? message.slice(setting.length) : `: ${message}`;
  const field = /^\w+/.exec(setting)?.[0] ?? setting;
  const flag = FLAGS.get(setting) ?? FLAGS.get(field) ?? kebab(field);
  const limit = field === 'limits' && setting !== field ? ` ${setting.slice('limits.'.length)}` : '';
  return `--${flag}${limit}${rest}`;
}
