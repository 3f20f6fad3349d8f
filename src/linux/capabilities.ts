import { readFileSync } from 'node:fs';

/** Numbers of capabilities, of linux/capability.h. */
export const CAPABILITY = { SYS_ADMIN: 21, PERFMON: 38 } as const;

/** Whether this process may use the capability now. False where /proc cannot tell. */
export function hasCapability(number: number): boolean {
  try {
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return effective !== undefined && ((BigInt(`0x${effective}`) >> BigInt(number)) & 1n) === 1n;
  } catch {
    return false;
  }
}
