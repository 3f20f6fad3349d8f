/** The contents of a configuration file, derived from the declarations of the options. */
import { z } from 'zod';
import { kebab } from '../../runtime/settings/option.ts';
import type { Kind, Options, SwitchOption } from '../../runtime/settings/option.ts';
import { ValueError } from '../../runtime/settings/parse.ts';
import { quoted } from '../../runtime/settings/quoted.ts';
import { faultOfChoice, faultOfLimit } from '../../runtime/settings/rules.ts';
import { ROLES, ROLE_NAMES } from './roles.ts';
import type { RoleName } from './roles.ts';

/** Groups of groups of numbers. */
interface Limits {
  readonly [name: string]: number | Limits;
}

/** The whole file, for a role. */
export function schemaOf(role: RoleName): z.ZodType {
  return z.strictObject({ role: z.literal(role), [role]: tableOf(role).optional() });
}

/** The role alone: the rest depends on it. */
export const ROLE_SCHEMA = z.looseObject({
  role: z.enum(ROLE_NAMES, {
    error: ({ input }) => (input === undefined ? 'is missing' : said(input, faultOfChoice('', ROLE_NAMES)!)),
  }),
});

/** The JSON Schema of the file, for editors. */
export function jsonSchema(): object {
  const files = ROLE_NAMES.map((role) =>
    z.strictObject({ role: z.literal(role), [role]: tableOf(role, true) }),
  );
  return {
    title: 'Configuration of a teredo daemon: /etc/teredo/NAME.toml',
    ...z.toJSONSchema(z.union(files), {
      io: 'input',
      override: ({ jsonSchema: part }) => withoutRange(part),
    }),
  };
}

/** The range of JavaScript's whole numbers says nothing about an option. */
function withoutRange(schema: { type?: unknown; minimum?: unknown; maximum?: unknown }): void {
  if (schema.type !== 'integer') return;
  delete schema.minimum;
  delete schema.maximum;
}

/** `whole`: required options are required; a file may leave them to flags and the environment. */
function tableOf(role: RoleName, whole = false): z.ZodType {
  const { options, limits }: { options: Options; limits: object } = ROLES[role];
  const shape = Object.entries(options).map(([name, option]) => {
    const isValue = 'kind' in option;
    const schema = isValue ? valueSchema(option.kind, limits) : switchSchema(option);
    const usual = isValue ? option.default : undefined;
    const described = schema.meta({
      description: option.help,
      ...(usual === undefined ? {} : { default: usual }),
    });
    return [kebab(name), isValue && option.required === true && whole ? described : described.optional()];
  });
  return z.strictObject(Object.fromEntries(shape) as Record<string, z.ZodType>, { error: 'is no table' });
}

function switchSchema({ choices }: SwitchOption<unknown>): z.ZodType {
  if (choices !== undefined) return choiceSchema(choices);
  return z.boolean({ error: ({ input }) => said(input, 'is neither true nor false') });
}

function choiceSchema(choices: readonly string[]): z.ZodType {
  return z.enum(choices, { error: ({ input }) => said(input, faultOfChoice('', choices)!) });
}

function valueSchema(kind: Kind<unknown>, defaults: object): z.ZodType {
  if (kind.choices !== undefined) return choiceSchema(kind.choices);
  switch (kind.fileType) {
    case 'text':
      return parsed(z.string({ error: ({ input }) => said(input, 'is no text in quotes') }), kind);
    case 'number':
      return parsed(z.int({ error: ({ input }) => said(input, 'is no whole number') }), kind);
    case 'number-or-text':
      return parsed(
        z.union([z.number(), z.string()], { error: ({ input }) => said(input, 'is no number and no text') }),
        kind,
      );
    case 'texts':
      return parsed(
        z.union([z.string(), z.array(z.string())], { error: ({ input }) => notTexts(input) }),
        kind,
      );
    case 'limits':
      return limitsSchema(defaults as Limits, '').transform((limits) => new Map(flat(limits as Limits, '')));
  }
}

/** The value of the text that the command line would take; of a list, each element is checked. */
function parsed(schema: z.ZodType, kind: Kind<unknown>): z.ZodType {
  return schema.transform((given, context) => {
    const isList = Array.isArray(given);
    let value: unknown;
    for (const [i, element] of (isList ? given : [given]).entries()) {
      try {
        value = kind.parse(String(element), value);
      } catch (error) {
        if (!(error instanceof ValueError)) throw error;
        context.addIssue({ code: 'custom', message: error.message, path: isList ? [i] : [] });
      }
    }
    return value;
  });
}

function limitsSchema(defaults: Limits, prefix: string): z.ZodType {
  const shape = Object.entries(defaults).map(([field, usual]) => {
    const name = prefix + kebab(field);
    const schema = typeof usual === 'number' ? limitSchema(name, usual) : limitsSchema(usual, `${name}.`);
    return [kebab(field), schema.optional()];
  });
  return z.strictObject(Object.fromEntries(shape) as Record<string, z.ZodType>, {
    error: ({ input }) => said(input, 'is no table of limits'),
  });
}

function limitSchema(name: string, usual: number): z.ZodType {
  const schema = z
    .number({ error: ({ input }) => said(input, 'is no number') })
    .superRefine((value, context) => {
      const fault = faultOfLimit(name, value);
      if (fault !== undefined) context.addIssue({ code: 'custom', message: said(value, fault) });
    });
  return schema.meta({ default: usual });
}

function flat(limits: Limits, prefix: string): [string, number][] {
  return Object.entries(limits).flatMap(([name, value]): [string, number][] =>
    typeof value === 'number' ? [[prefix + name, value]] : flat(value, `${prefix}${name}.`),
  );
}

function notTexts(given: unknown): string {
  if (!Array.isArray(given)) return said(given, 'is no list of texts');
  return said(
    given.find((element) => typeof element !== 'string'),
    'is no text in quotes',
  );
}

function said(value: unknown, fault: string): string {
  return `${quoted(value)} ${fault}`;
}
