/** Each option of each role: in a file, in the environment and as a flag. */
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { addOptions, flagsGiven } from '../../cli/flags.ts';
import { flagOf, kebab } from '../../runtime/settings/option.ts';
import type { Options } from '../../runtime/settings/option.ts';
import { fromEnvironment, variableOf } from './environment.ts';
import { parseConfiguration } from './file.ts';
import { ROLES, ROLE_NAMES } from './roles.ts';
import { textOf } from './words.ts';

/** A value of each kind, as it is written. */
const SAMPLES: Readonly<Record<string, string>> = {
  '<address>': '192.0.2.7',
  '<address|none>': 'none',
  '<number>': '4000',
  '<count>': '2',
  '<name>': 'some-name',
  '<host[,host...]>': 'teredo.example',
  '<host[:port]>': 'relay.example:3546',
  '<seconds|auto>': '45',
  '<seconds>': '5s',
  '<id>': 'me',
  '<file>': '/some/file',
  '<[address:]port>': '127.0.0.1:9464',
};

function sampleOf(name: string, option: Options[string]): string {
  if (!('kind' in option)) return String(option.choices?.at(-1) ?? option.on ?? option.off);
  if (option.kind.choices !== undefined) return option.kind.choices.at(-1)!;
  if (name === 'serve') return '2001:db8::/32';
  return option.kind.fileType === 'texts' && name !== 'servers'
    ? '198.51.100.0/24'
    : SAMPLES[option.kind.placeholder]!;
}

const ALL = ROLE_NAMES.flatMap((role) =>
  Object.entries(ROLES[role].options as Options)
    .filter(([name]) => name !== 'limits')
    .map(([name, option]) => ({ role, name, option, sample: sampleOf(name, option) })),
);

describe.each(ALL)('$role: $name', ({ role, name, option, sample }) => {
  const { options }: { options: Options } = ROLES[role];
  const isBare = /^(true|false|\d+)$/.test(sample);
  const inFile = parseConfiguration(
    'FILE',
    `role = "${role}"\n[${role}]\n${kebab(name)} = ${isBare ? sample : `"${sample}"`}`,
  ).values[name];

  test('the environment gives the same value as a file', () => {
    expect(fromEnvironment(options, { [variableOf(name, option)]: sample })).toEqual({ [name]: inFile });
    expect(textOf(option, inFile)).toBe(sample);
  });

  test('the flag gives the same value as a file', () => {
    const isOff = !('kind' in option) && String(option.off) === sample;
    const flag = `--${isOff ? 'no-' : ''}${flagOf(name, option)}`;
    const command = addOptions(new Command(), options, false).exitOverride();
    command.parse('kind' in option ? [flag, sample] : [flag], { from: 'user' });
    expect(flagsGiven(command, options)[name]).toEqual(inFile);
  });
});
