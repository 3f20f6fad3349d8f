import { expect, test } from 'vitest';
import { ClientRig } from '../../test/support/client-rig.ts';
import { RelayRig } from '../../test/support/relay-rig.ts';
import { ServerRig } from '../../test/support/server-rig.ts';
import type { ClientMachine } from './client/index.ts';
import type { RelayMachine } from './relay/index.ts';
import type { ServerMachine } from './server/index.ts';

const MACHINES: readonly (readonly [string, () => ClientMachine | RelayMachine | ServerMachine])[] = [
  ['client', () => new ClientRig().qualify().machine],
  ['relay', () => new RelayRig().machine],
  ['server', () => new ServerRig().machine],
];

test.for(MACHINES)('%s: a status is frozen and keeps the values of its moment', ([, make]) => {
  const machine = make();
  const status = machine.status(12_345);
  expect(status.at).toBe(12_345);
  expect([status, status.counters].every((one) => Object.isFrozen(one))).toBe(true);
  const before = { ...status.counters };
  const nothing = new Uint8Array(64);
  machine.handleDatagram(0, nothing, 64, 64, 0xc000_0201, 3544, 12_400);
  expect(status.counters).toEqual(before);
  expect(machine.status(12_400).counters).not.toEqual(before);
});

test('the status of a client has the counts of its peers, frozen too', () => {
  const { peers } = new ClientRig().qualify().status;
  expect([peers, Object.isFrozen(peers)]).toEqual([{ trusted: 0, unverified: 0 }, true]);
});
