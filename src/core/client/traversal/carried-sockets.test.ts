/** Peers with a socket of their own are offered to the kernel path, too, as long as the socket is open. */
import { expect, test } from 'vitest';
import { at, data } from '../../../../test/support/client-rig.ts';
import { A, A_MAPPED, A_NONCE, NatRig } from '../../../../test/support/nat-rig.ts';
import { formatIpv6 } from '../../../wire/index.ts';

/** The first socket for a single peer. */
const RANDOM = 16;
const A_RANDOM = at('192.0.2.1:51000');
const NAME = formatIpv6(A);

/** B reaches A through the random port. */
function reached(): NatRig {
  const rig = new NatRig('preserving', { offload: true });
  rig.send(data(rig.address, A));
  rig.forwarded({ nonce: A_NONCE, randomPort: A_RANDOM.port });
  return rig.direct(A_RANDOM, { nonce: rig.nonce }, RANDOM);
}

test('a peer that is reached by its own socket is offered with that socket', () => {
  const rig = reached();
  expect(rig.offloads).toEqual([`offload ${NAME} 192.0.2.1:51000 heard ${rig.now} by socket ${RANDOM}`]);
});

test('once it is reached by the service port, it is offered with that', () => {
  const rig = reached();
  const { nonce } = rig;
  rig.clear();
  rig.direct(A_MAPPED, { nonce }).dataFrom(A_MAPPED);
  expect(rig.whereDataGoes()).toBe('192.0.2.1:4096');
  expect(rig.offloads.slice(0, 2)).toEqual([
    `unload ${NAME}`,
    `offload ${NAME} 192.0.2.1:4096 heard ${rig.now}`,
  ]);
});

test('E-75: packets that are carried keep the way of an idle peer open', () => {
  const rig = reached();
  for (let i = 0; i < 60; i++) rig.pass(15_000).carried(A, rig.now, rig.now);
  expect(rig.whereDataGoes()).toBe('192.0.2.1:51000 from 16');
  expect([...rig.sockets]).toEqual([RANDOM]);
});

test('nothing is carried by a socket that is closed: the peer is withdrawn first', () => {
  const rig = reached();
  // It sends, and is sent nothing: E-75.
  for (let i = 0; i < 60 && rig.sockets.size > 0; i++) rig.carried(A, rig.now).clear().pass(20_000);
  expect(rig.offloads).toEqual([`unload ${NAME}`]);
  expect(rig.events).toEqual([{ type: 'socket-unwanted', socket: RANDOM }]);
});
