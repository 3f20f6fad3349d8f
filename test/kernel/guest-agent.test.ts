import { expect, test } from 'vitest';
import { Internet } from '../../src/lab/index.ts';
import { PROGRAM } from '../support/roles.ts';

test.for([
  ['--', 'true'],
  ['--sockets', '1', '--', 'true'],
  ['--attach', 'teredo'],
])('root starts the agent itself (%j): it refuses, and changes nothing', async (words) => {
  await using net = new Internet();
  // Those of other places come and go: removing the file of a network namespace unmounts it everywhere.
  const mounts = "grep -Ec ' /(etc/[^ ]*|proc) ' /proc/self/mountinfo || :";
  const script = `${mounts}; "$@"; echo "status $?"; ${mounts}`;
  // A mount namespace of its own, should the agent not refuse.
  const command = ['--mount', 'sh', '-c', script, 'sh', process.execPath, PROGRAM, 'guest-agent', ...words];
  const running = net.native.spawn('unshare', command);
  expect(await running.exited, running.output).toBe(0);
  expect(running.stdout).toMatch(/^(\d+)\nstatus 2\n\1\n$/);
  expect(running.output).toMatch(/"guest-agent" is for "exec"/);
  expect(net.native.ip('-o', 'link')).not.toMatch(/teredo/);
});
