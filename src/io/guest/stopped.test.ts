import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { onTestFinished, expect, test } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { areStopped } from './stopped.ts';

/** A process group of a shell with this script, which says when it is ready. */
async function group(script: string): Promise<number> {
  const child = spawn('sh', ['-c', script], { detached: true, stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void process.kill(-child.pid!, 'SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child.pid!;
}

function stateOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)![0]!;
}

test('a group is stopped when each of its processes is', async () => {
  const leader = await group('sleep 100 & echo $!; cat');
  expect(areStopped(leader, leader)).toBe(false);
  process.kill(leader, 'SIGSTOP');
  await eventually(() => expect(stateOf(leader)).toBe('T'));
  expect(areStopped(leader, leader), 'the sleeping one still runs').toBe(false);
  process.kill(-leader, 'SIGSTOP');
  await eventually(() => expect(areStopped(leader, leader)).toBe(true));
  process.kill(-leader, 'SIGCONT');
  await eventually(() => expect(areStopped(leader, leader)).toBe(false));
});

test.for(["trap '' TSTP", 'trap : TSTP'])(
  'a process that SIGTSTP does not stop is not waited for (%s)',
  async (trap) => {
    const pid = await group(`${trap}; echo ready; read -r line`);
    expect(areStopped(pid, pid)).toBe(true);
  },
);
