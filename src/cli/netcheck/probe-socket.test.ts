import { expect, onTestFinished, test } from 'vitest';
import { v4 } from '../../../test/support/client-rig.ts';
import { MemoryIpv4Network } from '../../io/memory-udp.ts';
import { MemoryClock } from '../../io/memory-clock.ts';
import { MemoryPorts } from '../../io/memory-ports.ts';
import {
  DatagramView,
  SOURCE,
  buildRouterAdvertisement,
  decodeDatagram,
  makeLinkLocal,
  writeAuthentication,
  writeOrigin,
} from '../../wire/index.ts';
import { ProbeSocket } from './probe-socket.ts';
import type { ProbeAnswer } from './probe-socket.ts';

const [HOST, SERVER, OTHER] = [v4('198.51.100.7'), v4('192.0.2.1'), v4('192.0.2.2')];
const MAPPED = { address: v4('203.0.113.9'), port: 4_096 };

interface Answering {
  readonly from?: number;
  readonly port?: number;
  readonly nonceOff?: number;
  readonly withoutOrigin?: boolean;
  readonly garbage?: boolean;
}

/** The result for an answer that is made so. */
async function heard(cone: boolean, answering: Answering): Promise<ProbeAnswer | undefined> {
  const wire = new MemoryIpv4Network();
  const clock = new MemoryClock();
  const entropy = { fill: (target: Uint8Array) => void target.fill(7) };
  const socket = new ProbeSocket(new MemoryPorts(wire, [HOST], entropy, clock), undefined);
  onTestFinished(() => socket.close());
  const server = wire.bind(SERVER, 3_544, SERVER);
  const { from = SERVER, port = 3_544 } = answering;
  const answerer = from === SERVER && port === 3_544 ? server : wire.bind(from, port, from);
  server.start(({ buffer, offsets, lengths, addresses, ports }) => {
    const datagram = answer(buffer.slice(offsets[0], offsets[0]! + lengths[0]!), answering);
    answerer.send(datagram, 0, datagram.length, addresses[0]!, ports[0]!);
    answerer.flush();
  });
  const result = socket.ask({ target: SERVER, cone }, { times: 2, intervalMs: 100 });
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
  clock.advance(200);
  return await result;
}

function answer(question: Uint8Array, { nonceOff = 0, withoutOrigin, garbage }: Answering): Uint8Array {
  const view = new DatagramView();
  expect(decodeDatagram(question, 0, question.length, view)).toBeUndefined();
  const { nonceOffset } = view.authentication!;
  const nonce = question.slice(nonceOffset, nonceOffset + 8);
  nonce[0]! ^= nonceOff;
  const header = new Uint8Array(64);
  let end = writeAuthentication(header, 0, {
    clientId: new Uint8Array(0),
    value: new Uint8Array(0),
    nonce,
    confirmation: 0,
  });
  if (withoutOrigin !== true) end = writeOrigin(header, end, MAPPED.address, MAPPED.port);
  const advertisement = buildRouterAdvertisement({
    source: makeLinkLocal({ flags: 0, mappedPort: 3_544, mappedAddress: SERVER }),
    destination: question.slice(view.ipv6Start + SOURCE, view.ipv6Start + SOURCE + 16),
    prefixServer: SERVER,
    mtu: 1280,
  });
  if (garbage === true) advertisement[50]! ^= 1;
  return Uint8Array.from([...header.subarray(0, end), ...advertisement]);
}

test('an answer has the mapping that the server sees', async () => {
  expect(await heard(false, {})).toEqual({ target: SERVER, from: SERVER, mapped: MAPPED });
});

test('with the cone bit only another address will do', async () => {
  expect(await heard(true, { from: OTHER })).toEqual({ target: SERVER, from: OTHER, mapped: MAPPED });
  expect(await heard(true, {})).toBeUndefined();
  expect(await heard(false, { from: OTHER })).toBeUndefined();
});

test('an answer with another nonce, from another port, without an origin, or damaged is none', async () => {
  expect(await heard(false, { nonceOff: 1 })).toBeUndefined();
  expect(await heard(true, { from: OTHER, nonceOff: 1 })).toBeUndefined();
  expect(await heard(true, { from: OTHER, port: 3_545 })).toBeUndefined();
  expect(await heard(false, { withoutOrigin: true })).toBeUndefined();
  expect(await heard(false, { garbage: true })).toBeUndefined();
});
