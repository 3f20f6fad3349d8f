import { CarryingWorker } from '../../core/offload/carrying-worker.ts';
import { LoopedDriver, rehearsalEntropy } from './looped-driver.ts';
import { echoReply, echoRequest, nativeHost, relayPair } from './places.ts';

const SERVICE = 0;
const OWN = nativeHost(0xffff);
const SPACING_MS = 50;
/** Peers that the worker may have. */
const MOST = 64;

/** A worker of a client is given one new peer after the other, carries some packets of each, and yields after each. Yields how many it has carried. */
export function* rehearseClientWorker(): Generator<number> {
  const machine = new CarryingWorker(MOST, rehearsalEntropy(), {
    took: () => {},
    gaveUp: () => {},
    carried: () => {},
    leftDatagram: () => {},
    leftPacket: () => {},
  });
  const worker = new LoopedDriver(machine, [SERVICE]).attachTun();
  machine.setOwn(OWN);
  for (let nth = 0, carried = 0; ; nth++) {
    const [peer, place] = [nativeHost(nth), relayPair(nth)];
    worker.driver.request((now) => machine.give(peer, place, now, now));
    for (let i = 0; i < 3; i++) {
      const request = echoRequest(peer, OWN);
      worker.receive(SERVICE, request, place);
      worker.offer(echoReply(request));
      carried += worker.takeDelivered().length + worker.takeSent().length;
    }
    worker.driver.request(() => machine.takeBack(nativeHost(nth - MOST / 2)));
    worker.pass(SPACING_MS);
    yield carried;
  }
}
