/** A TOML document: its value, and the places of its keys and values in the text. */
import { ParseError, getStaticTOMLValue, parseTOML } from 'toml-eslint-parser';
import type { AST } from 'toml-eslint-parser';
import { explainToml } from './toml-words.ts';

/** Both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export type Path = readonly PropertyKey[];

/** The text is no TOML, or has a key that no file may have. */
export class TomlError extends Error {
  readonly place: Place;

  constructor(message: string, place: Place) {
    super(message);
    this.name = 'TomlError';
    this.place = place;
  }
}

const TOO_DEEP = 'lists or tables are nested too deeply';
/** Some editors put it at the start of a file. */
const BYTE_ORDER_MARK = /^\uFEFF/;

export class TomlDocument {
  readonly value: unknown;
  /** The paths of the tables with a header of their own, in order. */
  readonly headers: Path[] = [];
  private readonly keys = new Map<string, Place>();
  private readonly values = new Map<string, Place>();

  /** Throws a {@link TomlError}. */
  constructor(text: string) {
    try {
      const program = parseTOML(text.replace(BYTE_ORDER_MARK, ''));
      for (const node of program.body[0].body) this.note(node, []);
      this.value = getStaticTOMLValue(program);
    } catch (error) {
      // The parser is recursive: the stack is full.
      if (error instanceof RangeError) throw new TomlError(TOO_DEEP, { line: 1, column: 1 });
      if (!(error instanceof ParseError)) throw error;
      const found = { line: error.lineNumber, column: error.column + 1 };
      const { words, place } = explainToml(text, error.message, found);
      throw new TomlError(`this is no TOML: ${words}`, place);
    }
  }

  /** The place of a key, or of the table that it is missing in. */
  placeOfKey(path: Path): Place {
    return this.find(this.keys, path);
  }

  hasKey(path: Path): boolean {
    return this.keys.has(nameOf(path));
  }

  placeOfValue(path: Path): Place {
    return this.find(this.values, path);
  }

  private find(places: ReadonlyMap<string, Place>, path: Path): Place {
    for (let length = path.length; length > 0; length--) {
      const place = places.get(nameOf(path.slice(0, length)));
      if (place !== undefined) return place;
    }
    return { line: 1, column: 1 };
  }

  private note(node: AST.TOMLTable | AST.TOMLKeyValue, above: Path): void {
    for (const key of node.key.keys) refusePrototype(key);
    const isTable = node.type === 'TOMLTable';
    if (isTable) this.headers.push(node.resolvedKey);
    const path = isTable ? node.resolvedKey : [...above, ...node.key.keys.map(keyName)];
    // A table of an array has a number at the end of its path, which is no key of the text.
    const named = isTable && node.kind === 'array' ? path.slice(0, -1) : path;
    for (const [i, key] of node.key.keys.toReversed().entries())
      this.noteOnce(this.keys, named.slice(0, named.length - i), key);
    if (!isTable) return this.noteValue(node.value, path);
    for (const whole of [named, path]) this.noteOnce(this.values, whole, node);
    for (const below of node.body) this.note(below, path);
  }

  private noteValue(node: AST.TOMLContentNode, path: Path): void {
    this.noteOnce(this.values, path, node);
    if (node.type === 'TOMLInlineTable') for (const below of node.body) this.note(below, path);
    if (node.type === 'TOMLArray')
      for (const [i, element] of node.elements.entries()) this.noteValue(element, [...path, i]);
  }

  private noteOnce(places: Map<string, Place>, path: Path, node: AST.TOMLNode): void {
    const name = nameOf(path);
    if (!places.has(name)) places.set(name, placeOf(node));
  }
}

/** Objects are made from the text, and this key would change the prototype of all objects. */
function refusePrototype(key: AST.TOMLBare | AST.TOMLQuoted): void {
  if (keyName(key) === '__proto__') throw new TomlError('there is no key "__proto__"', placeOf(key));
}

function placeOf({ loc }: AST.TOMLNode): Place {
  return { line: loc.start.line, column: loc.start.column + 1 };
}

function keyName(key: AST.TOMLBare | AST.TOMLQuoted): string {
  return key.type === 'TOMLBare' ? key.name : key.value;
}

function nameOf(path: Path): string {
  return JSON.stringify(path.map(String));
}
