/** Advice for a key that the schema does not know. */
import { camel, kebab } from '../../runtime/settings/option.ts';
import type { Options } from '../../runtime/settings/option.ts';
import type { Path } from './document.ts';
import { orNearest } from './nearest.ts';
import { ROLES, ROLE_NAMES } from './roles.ts';
import type { RoleName } from './roles.ts';

/** The end of a sentence about a key that there is not in a table. `headers`: the tables of the file, in order. */
export function adviceFor(table: Path, key: string, role: RoleName, headers: readonly Path[]): string {
  const keys = keysOf(role);
  if (table.length === 0) return adviceForTop(key, role);
  if (key === 'role') return ': write it in the first line of the file';
  if (table.length === 1) return elsewhere(key, role) || orNearest(key, keys);
  if (keys.includes(key)) return `: it belongs to the table [${role}]${aboveFirst(role, headers)}`;
  return orNearest(key, limitsIn(role, table.slice(2)));
}

function adviceForTop(key: string, role: RoleName): string {
  const keys = keysOf(role);
  if (keys.includes(key)) return `: write it in the table [${role}]`;
  if ((ROLE_NAMES as readonly string[]).includes(key)) return `: the role of this file is "${role}"`;
  return orNearest(key, ['role', role]) || orNearest(key, keys);
}

/** A key of another table, or of another role. */
function elsewhere(key: string, role: RoleName): string {
  if (limitsIn(role, []).includes(key)) return `: it belongs to the table [${role}.limits]`;
  const others = ROLE_NAMES.filter((other) => keysOf(other).includes(key));
  return others.length === 0 ? '' : `: it is an option of ${others.join(', ')}`;
}

/** All keys below the header of a table belong to that table. */
function aboveFirst(role: RoleName, headers: readonly Path[]): string {
  const first = headers.find((header) => header[0] === role && header.length > 1);
  return first === undefined ? '' : ` and has to stand above [${first.join('.')}]`;
}

function keysOf(role: RoleName): string[] {
  const { options }: { options: Options } = ROLES[role];
  return Object.keys(options).map(kebab);
}

/** The limits and groups of limits in this group. */
function limitsIn(role: RoleName, group: Path): string[] {
  let limits: object = ROLES[role].limits;
  for (const name of group) limits = (limits as Readonly<Record<string, object>>)[camel(String(name))]!;
  return Object.keys(limits).map(kebab);
}
