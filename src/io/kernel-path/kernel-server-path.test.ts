import { expect, test, vi } from 'vitest';
import { seededEntropy } from '../../../test/support/client-rig.ts';
import type { Clock, HostNetwork, ServerPathOptions } from '../ports.ts';
import { KernelServerPath } from './kernel-server-path.ts';

const programs = { loaded: 0 };
vi.mock('../../linux/bpf/server-program.ts', () => ({
  ServerProgram: class {
    constructor() {
      programs.loaded++;
    }
    close(): void {
      programs.loaded--;
    }
  },
}));
vi.mock('../../linux/netlink-monitor.ts', () => ({
  NetlinkMonitor: function NetlinkMonitor(): void {
    throw new Error('EMFILE');
  },
}));

test('the program is not left behind if the host cannot be watched', () => {
  const open = (): unknown =>
    new KernelServerPath({} as ServerPathOptions, {} as Clock, {} as HostNetwork, seededEntropy(1));
  expect(open).toThrow('EMFILE');
  expect(programs.loaded).toBe(0);
});
