import { constants } from 'node:os';
import { Memory, sys } from '../linux/libc.ts';

const O_RDWR_NOCTTY_CLOEXEC = 2 | 0o400 | 0o2000000;
/** ioctl_tty(2) */
const [TIOCGPGRP, TIOCSPGRP] = [0x540f, 0x5410];
const SIG_IGN = 1;

/**
 * Makes the process group of this process the one that reads from its terminal, when the one that did so has ended. A shell in another process namespace
 * cannot name the group to which it is to give the terminal back.
 */
export function takeTerminalBack(): void {
  const terminal = sys.open('/dev/tty', O_RDWR_NOCTTY_CLOEXEC);
  if (terminal < 0) return; // there is none
  const group = new Memory(4);
  if (sys.ioctl(terminal, TIOCGPGRP, group.address) === 0 && hasEnded(group.view.getInt32(0, true))) {
    sys.signal(constants.signals.SIGTTOU, SIG_IGN); // it would stop this process
    group.view.setInt32(0, sys.getpgrp(), true);
    sys.ioctl(terminal, TIOCSPGRP, group.address);
  }
  sys.close(terminal);
}

function hasEnded(group: number): boolean {
  try {
    if (group > 1) process.kill(-group, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
