type Content = string | Node | undefined;

const SVG = 'http://www.w3.org/2000/svg';

/** An element with attributes and contents. Texts become text nodes: no data is read as HTML. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string>> = {},
  ...contents: readonly Content[]
): HTMLElementTagNameMap[K] {
  return filled(document.createElement(name), attributes, contents);
}

export function svg<K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Readonly<Record<string, string | number>> = {},
  ...contents: readonly Content[]
): SVGElementTagNameMap[K] {
  return filled(document.createElementNS(SVG, name), attributes, contents);
}

function filled<E extends Element>(
  made: E,
  attributes: Readonly<Record<string, string | number>>,
  contents: readonly Content[],
): E {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  for (const content of contents) if (content !== undefined) made.append(content);
  return made;
}

/** The element of index.html with this id. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element #${id}`);
  return found;
}

/** Changes a text only if it is another one: a screen reader reads each change. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}
