/** The fields that programs rely on, each with its type. */

const OPTIONAL = 'optional ';

/** By `TYPE.FIELD`; of a type that is a choice, by `TYPE`. */
export function fieldsOf(schemas) {
  const fields = {};
  for (const { title, definitions, ...schema } of Object.values(schemas))
    for (const [type, part] of Object.entries({ [title]: schema, ...definitions })) {
      if (part.properties === undefined) fields[type] = typeOf(part);
      for (const [field, of] of Object.entries(part.properties ?? {}))
        fields[`${type}.${field}`] = (part.required.includes(field) ? '' : OPTIONAL) + typeOf(of);
    }
  return fields;
}

/** What would break a program that relies on `before`; empty where there are only additions. */
export function changesOf(before, now) {
  return Object.entries(before).flatMap(([name, was]) => {
    const is = now[name];
    if (is === undefined) return [`${name} is gone`];
    return isWithin(was, is) ? [] : [`${name} was ${was} and is ${is}`];
  });
}

/** The same, or with further values, or no longer optional. */
function isWithin(was, is) {
  if (is.startsWith(OPTIONAL) && !was.startsWith(OPTIONAL)) return false;
  const [old, values] = [was, is].map((type) => type.replace(OPTIONAL, '').split(' | '));
  return old.every((value) => values.includes(value));
}

export function textOf(fields) {
  const lines = Object.entries(fields).map(([name, type]) => `${name}: ${type}\n`);
  return lines.sort().join('');
}

export function fieldsIn(text) {
  return Object.fromEntries(text.trimEnd().split('\n').map(fieldIn));
}

function fieldIn(line) {
  const [, name, type] = /^([\w.]+): (.+)$/.exec(line) ?? [];
  if (name === undefined) throw new Error(`no field of an object: ${line}`);
  return [name, type];
}

function typeOf(part) {
  if (part.$ref !== undefined) return part.$ref.replace('#/definitions/', '');
  if (part.anyOf !== undefined) return part.anyOf.map(typeOf).join(' | ');
  if (part.const !== undefined) return JSON.stringify(part.const);
  if (part.enum !== undefined) return part.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (part.type === 'array') return `list of ${typeOf(part.items)}`;
  if (part.type === 'object') return `names with ${typeOf(part.additionalProperties)}`;
  return [[part.type].flat().join(' | '), part.unit].filter((word) => word !== undefined).join(' in ');
}
