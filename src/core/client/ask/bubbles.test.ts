import { expect, test } from 'vitest';
import {
  MAPPED,
  PEER,
  PEER_MAPPED,
  PRIMARY,
  SERVERS,
  at,
  seededEntropy,
  teredo,
} from '../../../../test/support/client-rig.ts';
import { readUint32, writeUint32 } from '../../../wire/index.ts';
import type { Endpoint } from '../../../wire/index.ts';
import { ClientContext } from '../context.ts';
import { Bubbles } from './bubbles.ts';

/** Bubbles of a client whose address is known, and how many replies it has sent and held back. */
function rig() {
  const context = new ClientContext({ servers: SERVERS }, seededEntropy(1), () => {});
  context.address = teredo(PRIMARY, MAPPED);
  const bubbles = new Bubbles(context);
  const reply = (source: Uint8Array, places: readonly Endpoint[], socket = 0): 'sent' | 'held' => {
    const { sentBubbleReplies: before } = context.counters;
    bubbles.replyAll(source, 0, { places, trailers: {}, socket }, 1_000);
    return context.counters.sentBubbleReplies > before ? 'sent' : 'held';
  };
  return { reply };
}

test.each([...PEER.keys()])(
  'A-4: a reply to one peer does not hold back that to another whose address differs in octet %i',
  (octet) => {
    const { reply } = rig();
    const other = PEER.slice();
    other[octet] ^= 1;
    expect([reply(other, [PEER_MAPPED]), reply(PEER, [PEER_MAPPED])]).toEqual(['sent', 'sent']);
    expect(reply(PEER, [PEER_MAPPED])).toBe('held');
  },
);

test('A-4: nor that to the same peer at another place, or by another socket', () => {
  const { reply } = rig();
  expect(reply(PEER, [PEER_MAPPED])).toBe('sent');
  expect(reply(PEER, [{ ...PEER_MAPPED, port: PEER_MAPPED.port ^ 1 }])).toBe('sent');
  expect(reply(PEER, [{ ...PEER_MAPPED, address: PEER_MAPPED.address ^ 1 }])).toBe('sent');
  expect(reply(PEER, [PEER_MAPPED], 16)).toBe('sent');
});

test('A-4: nor can a native host choose its address so that a reply to it holds back that to a peer', () => {
  const { reply } = rig();
  const [own, honest] = [at('198.51.100.7:40000'), PEER_MAPPED];
  const source = PEER.slice();
  source.set([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0]);
  writeUint32(source, 8, readUint32(PEER, 8) ^ own.address ^ honest.address);
  writeUint32(source, 12, readUint32(PEER, 12) ^ own.port ^ honest.port);
  expect([reply(source, [own]), reply(PEER, [honest])]).toEqual(['sent', 'sent']);
});
