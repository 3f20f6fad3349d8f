import { expect, test } from 'vitest';
import { ClientRig, MAPPED, PRIMARY, at, teredo } from '../../../../test/support/client-rig.ts';
import { formatIpv6 } from '../../../wire/index.ts';

const addressOf = ({ machine }: ClientRig): string | undefined =>
  machine.address && formatIpv6(machine.address);
/** With random bits that this client would not draw. */
const LEFT = teredo(PRIMARY, MAPPED, 0x0a51);

test('the address of a predecessor stays, if the server sees the same mapping', () => {
  const rig = new ClientRig();
  expect(rig.machine.adopt(LEFT)).toBe(true);
  rig.start();
  expect([rig.machine.state, addressOf(rig)]).toEqual(['probe', formatIpv6(LEFT)]);
  rig.qualify();
  expect([rig.machine.state, addressOf(rig)]).toEqual(['qualified', formatIpv6(LEFT)]);
});

test('it goes if the mapping is another, and if no server answers', () => {
  const other = teredo(PRIMARY, at('192.0.2.99:5000'), 0x0a51);
  const moved = new ClientRig();
  moved.machine.adopt(other);
  expect(addressOf(moved.start().qualify())).not.toBe(formatIpv6(other));
  const alone = new ClientRig();
  alone.machine.adopt(LEFT);
  expect(addressOf(alone.start().advance(12_000))).toBeUndefined();
});

test('an address of another server is not adopted, and none once the client runs', () => {
  const rig = new ClientRig();
  expect(rig.machine.adopt(teredo(at('198.51.100.7:3544'), MAPPED))).toBe(false);
  expect(addressOf(rig)).toBeUndefined();
  expect(rig.start().machine.adopt(LEFT)).toBe(false);
});
