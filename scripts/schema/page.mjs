/** docs/json.md: the objects for programs, field by field. */

const INTRODUCTION = `# JSON for programs

<!-- Made by \`npm run schema\` from src/control/. -->

| object | command line | control socket | HTTP |
|---|---|---|---|
| [status](#rolestatus) | \`teredo status --json\`, a line for each daemon | \`{"command":"status"}\` | \`/api/v1/status\` |
| [peers](#peersstatus) | \`teredo peers --json\` | \`{"command":"peers","limit":1000}\` | \`/api/v1/peers?limit=1000\` |
| [users](#usersstatus) | \`teredo users --json\` | \`{"command":"users","window":"minute","limit":10}\` | \`/api/v1/users?window=minute&limit=10\` |
| [contact](#contactstatus) | | \`{"command":"contact","address":"2001:0:..."}\` | |
| [reload](#reloadstatus) | \`teredo reload --json\` | \`{"command":"reload"}\` | |
| [ready](#readystatus) | \`teredo ready --json\` | | \`/readyz\`: [DaemonReadiness](#daemonreadiness) |
| [drain](#drainstatus) | \`teredo drain --json\` | \`{"command":"drain"}\` gives the status | |
| [event](#eventstatus) | | | \`/events\` |
| [log line](#logline) | \`--log-format json\` of a role | | |

A control socket takes one line and gives one: \`{"ok":true,"result":OBJECT}\` or \`{"ok":false,"code":"...","message":"..."}\`. The objects are the same everywhere.
[guide/watching.md](guide/watching.md) has the rest of HTTP; programs in TypeScript use [\`teredo/control\`](guide/library.md#running-daemons).

- **Fields are added, never changed.** A program has to ignore fields that it does not know, and must expect new values of a field such as \`state\` or \`reason\`.
  \`version\` would become another number if a field changed its meaning.
- \`?\` marks a field that may be absent. No field is \`null\`.
- JSON Schemas: \`packaging/schema/\`.
`;

const WORDS = { string: 'text', boolean: 'true or false', integer: 'whole number', number: 'number' };

/** The page, in Markdown. A type that others extend is described once, and before them. */
export function pageOf(schemas, bases) {
  const types = new Map();
  for (const { title, $schema: _, definitions, ...schema } of [
    ...Object.values(bases),
    ...Object.values(schemas),
  ]) {
    types.set(title, schema);
    for (const [name, part] of Object.entries(definitions)) types.set(name, part);
  }
  // The one with the most fields first.
  const baseNames = Object.keys(bases).sort(
    (a, b) => fieldsOf(types.get(b)).length - fieldsOf(types.get(a)).length,
  );
  const isList = ([, schema]) => schema.enum !== undefined;
  const [objects, lists] = [[...types].filter((type) => !isList(type)), [...types].filter(isList)];
  return [
    INTRODUCTION,
    ...objects.map(([name, schema]) => sectionOf(name, schema, types, baseNames)),
    ...lists.map(([name, schema]) => listOf(name, schema)),
  ].join('\n');
}

function listOf(name, { description, enum: values }) {
  return [`## ${name}`, '', description, '', `${choicesOf(values)}`, ''].join('\n');
}

function sectionOf(name, schema, types, baseNames) {
  const head = [`## ${name}`, '', ...(schema.description === undefined ? [] : [schema.description, ''])];
  if (schema.anyOf !== undefined)
    return [...head, `One of ${schema.anyOf.map(typeOf).join(', ')}.`, ''].join('\n');
  const base = baseNames.find((other) => other !== name && extendsIt(schema, types.get(other)));
  const inherited = base === undefined ? [] : fieldsOf(types.get(base));
  const rows = fieldsOf(schema)
    .filter((field) => !inherited.includes(field))
    .map((field) => rowOf(field, schema, types));
  const further = base === undefined ? [] : [`The fields of ${linkTo(base)}, and:`, ''];
  return [...head, ...further, '| field | type | meaning |', '|---|---|---|', ...rows, ''].join('\n');
}

function fieldsOf(schema) {
  return Object.keys(schema.properties);
}

function extendsIt(schema, base) {
  return fieldsOf(base).every(
    (field) => JSON.stringify(schema.properties[field]) === JSON.stringify(base.properties[field]),
  );
}

function rowOf(field, schema, types) {
  const part = schema.properties[field];
  const name = `\`${field}\`${schema.required.includes(field) ? '' : ' ?'}`;
  const meaning = part.description ?? types.get(nameIn(part))?.description ?? '';
  return `| ${[name, typeOf(part), meaning].map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function typeOf(part) {
  const name = nameIn(part);
  if (name !== undefined) return linkTo(name);
  if (part.const !== undefined) return choicesOf([part.const]);
  if (part.enum !== undefined) return choicesOf(part.enum);
  if (part.type === 'array') return `list of ${typeOf(part.items)}`;
  if (part.type === 'object') return `name → ${typeOf(part.additionalProperties)}`;
  const words = [part.type]
    .flat()
    .map((type) => WORDS[type])
    .join(' or ');
  const kind = { ipv4: 'IPv4 address', ipv6: 'IPv6 address' }[part.format] ?? words;
  return part.unit === undefined ? kind : `${kind}, ${part.unit.replace('-', ' ')}`;
}

function choicesOf(values) {
  return values.map((value) => `\`${value}\``).join(' | ');
}

function nameIn({ $ref }) {
  return $ref?.replace('#/definitions/', '');
}

function linkTo(name) {
  return `[${name}](#${name.toLowerCase()})`;
}
