/** Descriptors are short at a host that merges segments (adr/0036): the daemon goes on sending its status, and nothing is taken back or repeated for it. */
import { get } from 'node:http';
import { expect, onTestFinished, test, vi } from 'vitest';
import { controlDirectory, controlPath } from '../../src/control/control-path.ts';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  execute,
  until,
} from '../../src/lab/index.ts';
import type { MergingChoice } from '../../src/io/kernel-path/merging.ts';
import { E, setErrno, sys } from '../../src/linux/libc.ts';
import { proveKernelPath } from '../support/carried.ts';
import { startMerging } from '../support/merging-rig.ts';
import { nameOf, startClient, startRelay, startServer, teredoAddress } from '../support/roles.ts';

const KERNEL = ['--data-path', 'kernel', '--xdp', 'off', '--merge', 'auto'];
/** At each a status is sent, and the pair is looked after. */
const SECONDS = 5;

/** The statuses that a daemon tells, as it tells them. */
function statusesOf(path: string): string[] {
  const told: string[] = [];
  let rest = '';
  const request = get({ socketPath: path, path: '/events' }, (response) =>
    response.setEncoding('utf8').on('data', (text: string) => {
      const events = (rest + text).split('\n\n');
      rest = events.pop()!;
      for (const event of events) if (event.includes('event: status')) told.push(event);
    }),
  );
  request.on('error', () => {});
  onTestFinished(() => void request.destroy());
  return told;
}

test('a client without descriptors tells its status', async () => {
  await using net = new Internet();
  const { client } = net.site('a', 'port-restricted');
  client.execute('ethtool', '-K', 'eth', 'gro', 'on', 'tso', 'off');
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS, '--data-path', 'kernel');
  const running = await startClient(client, SERVER_ADDRESS, ...KERNEL);
  await teredoAddress(client);
  await proveKernelPath(client, NATIVE_ADDRESS, net.relay);
  const told = statusesOf(controlPath(controlDirectory(), nameOf(client, 'client')));
  await until('a status', () => told.length > 0 || undefined);
  execute('prlimit', ['--pid', String(running.pid), '--nofile=3:']);
  const before = told.length;
  await until('further statuses', () => told.length > before + SECONDS || undefined);
});

test('a short look changes nothing, and is repeated once', () => {
  const { merging, find } = startMerging();
  const short = (before?: MergingChoice): MergingChoice => {
    const refused = vi.spyOn(sys, 'socket').mockImplementation(() => {
      setErrno(E.EMFILE);
      return -1;
    });
    const choice = merging.follow(find, before);
    refused.mockRestore();
    return choice;
  };
  expect(short()).toMatchObject({ pair: 0, reason: expect.stringMatching(/descriptors .* short: .*EMFILE/) });
  expect([merging.look(), merging.look()]).toEqual([true, false]);
  const choice = merging.follow(find);
  expect(choice).toMatchObject({ pair: expect.any(Number), reason: undefined });
  expect(choice.pair).toBeGreaterThan(0);
  expect(short(choice)).toBe(choice);
  expect([merging.look(), merging.look()]).toEqual([true, false]);
});
