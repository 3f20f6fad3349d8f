import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/**
 * Removes the namespaces whose names begin with `prefix`, and ends the processes in them, after this process has ended, even by SIGKILL,
 * after which it could not clean up itself. A shell in its own session waits until this process's end of a pipe is closed. The shell
 * inherits no other descriptor, so no reader of this process's output waits for it.
 */
export function sweepAfterwards(prefix: string): void {
  const janitor = spawn('sh', ['-c', SWEEP, 'sh', prefix], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  janitor.unref();
  (janitor.stdin as Socket).unref();
}

/** SIGTERM, and SIGKILL a second later: a role may have to clean up outside its namespace. */
const SWEEP = `
  trap '' INT TERM HUP
  cd /
  while read -r _; do :; done
  mine() { ip netns list | cut -d ' ' -f 1 | grep "^$1"; }
  pids() { for name in $(mine "$1"); do ip netns pids "$name"; done; }
  for signal in TERM KILL; do
    running=$(pids "$1")
    [ -n "$running" ] || break
    kill -$signal $running
    for _ in 1 2 3 4 5 6 7 8 9 10; do [ -n "$(pids "$1")" ] || break; sleep 0.1; done
  done
  for name in $(mine "$1"); do ip netns delete "$name"; done`;
