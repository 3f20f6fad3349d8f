import type { SettingsError } from '../runtime/settings/settings-error.ts';

/** The options that have another name than the setting that they fill. */
const OPTIONS: Readonly<Record<string, string>> = {
  servers: 'server',
  refreshInterval: 'refresh',
  discoverSameMappedOnly: 'local-same-nat',
  meetingRelay: 'meet',
  'secret.clientId': 'client-id',
  'secret.secret': 'secret-file',
  limits: 'limit',
  access: 'allow',
};

/** The message of an error of the settings, for the command line: the setting that begins it becomes the option that fills it. */
export function inOptions({ setting, message }: SettingsError): string {
  const rest = message.startsWith(setting) ? message.slice(setting.length) : `: ${message}`;
  const field = /^\w+/.exec(setting)?.[0] ?? setting;
  const option = OPTIONS[setting] ?? OPTIONS[field] ?? kebab(field);
  const limit = field === 'limits' && setting !== field ? ` ${setting.slice('limits.'.length)}` : '';
  return `--${option}${limit}${rest}`;
}

function kebab(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
