/**
 * A setting with a wrong value: `setting` is its field, such as `port` or `servers[0].primary`; the message has field, value and the values allowed.
 */
export class SettingsError extends Error {
  readonly code = 'bad-setting';
  readonly setting: string;

  constructor(setting: string, message: string) {
    super(message);
    this.name = 'SettingsError';
    this.setting = setting;
  }
}
