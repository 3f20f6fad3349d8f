import { readFileSync } from 'node:fs';

/** Whether this process's user has a number in its user namespace. user_namespaces(7) */
export function isUserMapped(): boolean {
  try {
    return isInMap(readFileSync('/proc/self/uid_map', 'utf8'), process.geteuid?.() ?? 0);
  } catch {
    return true; // a kernel without user namespaces
  }
}

/** The lines of a map: the first number inside, the first number outside, how many. */
export function isInMap(map: string, id: number): boolean {
  return map.split('\n').some((line) => {
    const [inside, , count] = line.trim().split(/\s+/).map(Number);
    return inside !== undefined && count !== undefined && id >= inside && id < inside + count;
  });
}
