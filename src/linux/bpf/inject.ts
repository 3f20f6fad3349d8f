import { SystemCallError } from '../errors.ts';
import { INJECTED_WAY } from './layout.ts';
import type { Way } from './layout.ts';
import { testRun } from './test-run.ts';

const ETHERNET = 14;
const ETHERTYPE_IPV6 = [0x86, 0xdd] as const;

/**
 * Runs the program `inject`, which sends an IPv6 packet through the kernel path as if it came from the tunnel, in the given way. False if
 * the kernel refuses. Needs no capability beyond those of the kernel path, and no route.
 */
export function injectFrame(program: number, packet: Uint8Array, way: Way): boolean {
  const frame = new Uint8Array(ETHERNET + packet.length);
  frame[INJECTED_WAY] = way;
  frame.set(ETHERTYPE_IPV6, 12);
  frame.set(packet, ETHERNET);
  try {
    return testRun(program, frame).verdict === 0;
  } catch (error) {
    if (error instanceof SystemCallError) return false; // no memory, or too many runs at once
    throw error;
  }
}
