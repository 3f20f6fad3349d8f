import { readdirSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { sys } from '../linux/libc.ts';
import { UdpSocket } from '../linux/udp.ts';
import { KernelTun } from './kernel-tun.ts';
import { refusable } from './refusable.ts';

const F_DUPFD = 0;

/** The allocation with this number, and all later ones, are refused. */
function refuseMemoryFrom(first: number): () => void {
  let count = 0;
  const real = ArrayBuffer;
  vi.stubGlobal('ArrayBuffer', function allocate(size: number) {
    if (count++ >= first) throw new RangeError('Array buffer allocation failed');
    return new real(size);
  });
  return () => void vi.unstubAllGlobals();
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

test.each([
  [
    'a socket',
    () => {
      const socket = new UdpSocket({ address: 0x7f000001, port: 0, headroom: 0, runs: true });
      socket.close();
    },
  ],
  [
    'an interface',
    () => {
      // Of any file: the kernel is not asked.
      const kept = sys.fcntl(0, F_DUPFD, 0);
      new KernelTun('teredo', kept).close();
    },
  ],
])(
  'whichever memory of %s cannot be had, the system counts as the cause, and nothing stays open',
  (_, open) => {
    const ioctl = vi.spyOn(sys, 'ioctl').mockReturnValue(0);
    onTestFinished(() => ioctl.mockRestore());
    open();
    const before = openDescriptors();
    for (let first = 0; ; first++) {
      const end = refuseMemoryFrom(first);
      let refusal: unknown;
      try {
        refusable(open);
      } catch (error) {
        refusal = error;
      } finally {
        end();
      }
      if (refusal === undefined) {
        expect(first).toBeGreaterThan(2);
        return;
      }
      expect([first, openDescriptors()]).toEqual([first, before]);
      expect(refusal).toMatchObject({ code: 'system', message: expect.stringContaining('ENOMEM') });
    }
  },
);
