/** JSON Schemas of the objects for programs, from their TypeScript declarations and the comments there. */
import { join } from 'node:path';
import { createGenerator } from 'ts-json-schema-generator';
import { root } from '../run.mjs';

/** The files, and the types that they describe. */
export const FILES = {
  status: 'RoleStatus',
  peers: 'PeersStatus',
  users: 'UsersStatus',
  contact: 'ContactStatus',
  reload: 'ReloadStatus',
  ready: 'ReadyStatus',
  drain: 'DrainStatus',
  log: 'LogLine',
  event: 'EventStatus',
};

/** Types that others extend. */
const BASES = {
  Answerer: 'Answerer',
  DaemonStatus: 'DaemonStatus',
  Traffic: 'Traffic',
  HeavyUser: 'HeavyUser',
  LogLineCommon: 'LogLineCommon',
};

/** The schemas, by the name of the file; an object may have further fields: those of a later version. */
export function jsonSchemas() {
  const generator = generatorOf('src/control/objects.ts');
  const schemasOf = (types) =>
    Object.fromEntries(
      Object.entries(types).map(([name, type]) => [name, tidied(generator.createSchema(type), type)]),
    );
  return { files: schemasOf(FILES), bases: schemasOf(BASES) };
}

function generatorOf(module) {
  return createGenerator({
    path: join(root, module),
    tsconfig: join(root, 'scripts', 'schema', 'tsconfig.json'),
    skipTypeCheck: true, // `npm run check` does it
    additionalProperties: true,
    topRef: false,
    encodeRefs: false,
    jsDoc: 'extended',
    extraTags: ['unit'],
  });
}

function tidied({ $schema, definitions, ...whole }, title) {
  const scalars = Object.entries(definitions).filter(([, schema]) => isScalar(schema));
  const inline = new Map(scalars.map(([name, schema]) => [`#/definitions/${name}`, schema]));
  const rest = Object.entries(definitions).filter(([, schema]) => !isScalar(schema));
  return withScalars({ $schema, title, ...whole, definitions: Object.fromEntries(rest) }, inline);
}

/** A type of units.ts: its unit and range become part of the field. */
function isScalar({ type, enum: values }) {
  return type !== 'object' && type !== undefined && values === undefined;
}

function withScalars(schema, inline) {
  if (Array.isArray(schema)) return schema.map((part) => withScalars(part, inline));
  if (typeof schema !== 'object' || schema === null) return schema;
  const { $ref, ...rest } = schema;
  const scalar = inline.get($ref);
  if (scalar !== undefined) return { ...scalar, ...rest };
  return Object.fromEntries(Object.entries(schema).map(([name, part]) => [name, withScalars(part, inline)]));
}
