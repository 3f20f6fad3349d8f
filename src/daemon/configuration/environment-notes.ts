import { readEnvironment } from './environment.ts';
import { layered } from './layers.ts';
import type { GivenValues, Layer } from './layers.ts';
import { ROLES } from './roles.ts';
import type { RoleName } from './roles.ts';
import { inWords } from './words.ts';
import type { Shown } from './words.ts';

/** What the variables of this environment would change about a file, a line each. `file`: the values of the file. */
export function notesOnEnvironment(role: RoleName, file: GivenValues, env: NodeJS.ProcessEnv): string[] {
  const { values, faults } = readEnvironment(ROLES[role].options, env);
  const without = shownFor(role, [{ source: 'file', values: file }]);
  const withThem = shownFor(role, [
    { source: 'file', values: file },
    { source: 'environment', values },
  ]);
  const before = new Map(without.map(({ option, value }) => [option, value]));
  return [
    ...faults.map((fault) => `"teredo run" would not start in this environment: ${fault}`),
    ...withThem
      .filter(({ option, value }) => value !== before.get(option))
      .map(
        ({ option, value, source }) => `${source} sets ${option} to ${value}${instead(before.get(option))}`,
      ),
  ];
}

function shownFor(role: RoleName, layers: readonly Layer[]): Shown[] {
  const { options } = ROLES[role];
  return inWords(options, layered(options, layers), layers);
}

function instead(value = '-'): string {
  return value === '-' ? '' : ` instead of ${value}`;
}
