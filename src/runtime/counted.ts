/** A number with its noun, which is given in the singular: "1 peer", "2,048 prefixes". */
export function counted(count: number, noun: string): string {
  const plural = /(?:s|x|ch|sh)$/.test(noun) ? `${noun}es` : `${noun}s`;
  return `${count.toLocaleString('en')} ${count === 1 ? noun : plural}`;
}
