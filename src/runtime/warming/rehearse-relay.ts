import { AddressPolicy } from '../../core/address-policy.ts';
import { BUBBLE_HOP_LIMIT } from '../../core/constants.ts';
import { RELAY_SOCKET, RelayMachine } from '../../core/relay/index.ts';
import { DESTINATION, SOURCE, buildBubble, makeTeredoAddress, parsePrefix } from '../../wire/index.ts';
import { LoopedDriver, rehearsalEntropy } from './looped-driver.ts';
import { SERVER, echoReply, echoRequest, mappedPair, nativeHost } from './places.ts';

const [SERVICE] = [RELAY_SOCKET.service];
/** Between two new clients: far from all limits of rates. */
const SPACING_MS = 50;

/** A relay is asked for one new client after the other, carries some packets of each, and yields after each. Yields how many answers came. */
export function* rehearseRelay(): Generator<number> {
  const machine = new RelayMachine(
    { serve: [parsePrefix('2000::/3')!], localAddress: nativeHost(0xffff), policy: new AddressPolicy() },
    rehearsalEntropy(),
  );
  const relay = new LoopedDriver(machine, [SERVICE]).attachTun();
  for (let nth = 0, answers = 0; ; nth++) {
    answers += meet(relay, nth);
    relay.pass(SPACING_MS);
    yield answers;
  }
}

/** Every second contact is one that the client began: its test of the native host is answered first. */
function meet(relay: LoopedDriver, nth: number): number {
  const [native, mapped] = [nativeHost(nth), mappedPair(nth)];
  const client = makeTeredoAddress({
    server: SERVER.address,
    flags: 0,
    mappedAddress: mapped.address,
    mappedPort: mapped.port,
  });
  const request = echoRequest(native, client);
  const first = nth % 2 === 0 ? request : echoReply(echoRequest(client, native));
  relay.offer(first);
  for (const { bytes } of relay.takeSent()) relay.receive(SERVICE, answerTo(bytes), mapped);
  let answers = relay.takeSent().length;
  for (let i = 0; i < 3; i++) {
    relay.receive(SERVICE, echoReply(request), mapped);
    relay.receive(SERVICE, echoRequest(client, native), mapped);
    relay.offer(request);
    answers += relay.takeSent().length + relay.takeDelivered().length;
  }
  return answers;
}

/** The client's answer to the relay's bubble, by the address from which that came. */
function answerTo(bubble: Uint8Array): Uint8Array {
  const [from, to] = [bubble.slice(SOURCE, SOURCE + 16), bubble.slice(DESTINATION, DESTINATION + 16)];
  return buildBubble(to, from, BUBBLE_HOP_LIMIT);
}
