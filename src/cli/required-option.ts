import type { Command } from 'commander';

/**
 * Has required options looked for after unknown ones. Commander does it before, and so reports a mistyped option as one that is missing,
 * without the suggestion that it has for unknown ones.
 */
export function requireAfterUnknown(command: Command): void {
  for (const option of command.options.filter(({ mandatory }) => mandatory)) {
    option.mandatory = false;
    command.hook('preAction', () => {
      if (command.getOptionValue(option.attributeName()) === undefined)
        command.error(`error: required option '${option.flags}' not specified`);
    });
  }
}
