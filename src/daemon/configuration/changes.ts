/** The difference of two configurations of a role. */
import { isDeepStrictEqual } from 'node:util';
import { namesOfLimits } from '../../runtime/settings/limits.ts';
import type { LimitValues } from '../../runtime/settings/limits.ts';
import { kebab } from '../../runtime/settings/option.ts';
import type { Options } from '../../runtime/settings/option.ts';
import type { GivenValues } from './layers.ts';
import { ROLES } from './roles.ts';
import type { RoleName } from './roles.ts';
import { textOf } from './words.ts';

/** A value that has changed, in words. */
export interface Change {
  /** The key in a file. */
  readonly option: string;
  readonly before: string;
  readonly after: string;
}

export interface Changes {
  /** The names of the declarations: of options that have changed and that a running daemon can change. */
  readonly live: ReadonlySet<string>;
  readonly changed: readonly Change[];
  readonly needRestart: readonly Change[];
}

/** `rewritten`: options whose file has other contents under the same path. */
export function changesOf(
  role: RoleName,
  before: GivenValues,
  after: GivenValues,
  rewritten: readonly string[] = [],
): Changes {
  const { options, limits }: { options: Options; limits: object } = ROLES[role];
  const different = Object.entries(options).filter(([name]) => !isDeepStrictEqual(before[name], after[name]));
  const inWords = ([name, option]: (typeof different)[number]): Change[] =>
    'kind' in option && option.kind.fileType === 'limits'
      ? limitChanges(name, namesOfLimits(limits), before[name] as LimitValues, after[name] as LimitValues)
      : [
          {
            option: kebab(name),
            before: textOf(option, before[name]),
            after: textOf(option, after[name]),
          },
        ];
  const live = different.filter(([, option]) => option.live === true);
  const rest = different.filter(([, option]) => option.live !== true);
  const isRead = (name: string): boolean => options[name]?.live === 'contents';
  const readAgain = rewritten.filter(isRead);
  const contentsOf = (name: string): Change => changeOfContents(name, before[name] as string);
  return {
    live: new Set([...live.map(([name]) => name), ...readAgain]),
    changed: [...live.flatMap(inWords), ...readAgain.map(contentsOf)],
    needRestart: [...rest.flatMap(inWords), ...rewritten.filter((name) => !isRead(name)).map(contentsOf)],
  };
}

/** Contents may be secret. */
function changeOfContents(name: string, file: string): Change {
  return { option: kebab(name), before: `old contents of ${file}`, after: 'its new contents' };
}

function limitChanges(
  name: string,
  usual: LimitValues,
  before: LimitValues = new Map(),
  after: LimitValues = new Map(),
): Change[] {
  return [...usual].flatMap(([limit, value]) => {
    const [old, present] = [before.get(limit) ?? value, after.get(limit) ?? value];
    const option = `${kebab(name)}.${limit}`;
    return old === present ? [] : [{ option, before: String(old), after: String(present) }];
  });
}
