import { join } from 'node:path';
import { ROOT } from './root.ts';

/** A module of the product as built: compiled with the bench, it would not find the programs for the kernel. */
export async function product<T>(file: string): Promise<T> {
  return (await import(join(ROOT, 'dist', file))) as T;
}
