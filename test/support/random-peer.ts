import type { ClientOptions } from '../../src/core/client/index.ts';
import type { SeededEntropy } from '../../src/sim/index.ts';
import type { Endpoint } from '../../src/wire/index.ts';
import { at, data, v4 } from './client-rig.ts';
import type { Sent } from './client-rig.ts';
import {
  A,
  A_MAPPED,
  A_NONCE,
  A_SERVER,
  B_MAPPED,
  B_SECONDARY,
  SECONDARY_PORT,
  guess,
  trailersOf,
} from './nat-rig.ts';
import type { NatRig, RigNat, RigTrailers } from './nat-rig.ts';

/** Where A may come from: the pair in its address, other pairs of its NAT, its gateway, our link. */
const PLACES = [
  A_MAPPED,
  at('192.0.2.1:51000'),
  at('192.0.2.1:5000'),
  at('198.51.100.77:3000'),
  at('172.16.7.9:3000'),
];
const GATEWAY = PLACES[3]!;
/** Times between events: those of the rules, and one after which a peer is not valid. */
const PAUSES = [1, 20, 400, 500, 1_000, 2_000, 2_600, 5_000, 10_000, 31_000];
/** After this a peer is forgotten. */
const FORGOTTEN_MS = 320_000;

/** Settings of clients that a {@link RandomPeer} may meet. */
export function randomOptions(draw: SeededEntropy): Partial<ClientOptions> {
  return {
    offload: true,
    ...(draw.chance(0.3) ? { meet: GATEWAY } : {}),
    ...(draw.chance(0.2) ? { chosenPort: 40_002 } : {}),
  };
}

/** Lets random things happen between the client of a rig and its peer A. All of it follows from the seed. */
export class RandomPeer {
  private readonly rig: NatRig;
  private readonly draw: SeededEntropy;
  private nat: RigNat;
  private counted = 1_000;
  /** Most events come in the same instant. */
  private readonly isHurried: boolean;
  private served = 0;
  /** Often repeated, so that the parts of one attempt come together. */
  private place: Endpoint = A_MAPPED;

  constructor(rig: NatRig, nat: RigNat, draw: SeededEntropy) {
    this.rig = rig;
    this.nat = nat;
    this.draw = draw;
    this.isHurried = draw.chance(0.5);
  }

  step(): void {
    const { draw, rig } = this;
    if (rig.machine.state !== 'qualified') {
      this.pass(3_000);
      return;
    }
    if (draw.chance(0.4)) this.place = draw.pick(PLACES);
    const kind = draw.integer(0, this.isHurried && draw.chance(0.7) ? 66 : 100);
    if (kind < 14) rig.send(data(rig.address, A));
    else if (kind < 32) rig.forwarded(this.trailers());
    else if (kind < 52) rig.direct(this.place, this.trailers(), this.socket());
    else if (kind < 66) rig.dataFrom(this.place, this.socket());
    else if (kind < 91) this.pass(draw.pick(PAUSES));
    else if (kind < 92) this.pass(draw.chance(0.2) ? FORGOTTEN_MS : 0);
    else if (kind < 95) rig.carried(A, rig.now - draw.integer(0, 600), rig.now);
    else if (kind < 97) rig.machine.setGatewayMapping(draw.pick([undefined, B_MAPPED, GATEWAY]), rig.now);
    else if (kind < 98) rig.opensSockets = !rig.opensSockets;
    else if (kind < 99) rig.machine.contact(A, rig.now);
    else this.changeNat();
    rig.drain();
    this.serve();
  }

  /** Time passes with a server that answers at once. */
  private pass(milliseconds: number): void {
    const end = this.rig.now + milliseconds;
    while (this.rig.now < end) {
      this.rig.advance(Math.min(500, end - this.rig.now));
      this.serve();
    }
  }

  private serve(): void {
    for (; this.served < this.rig.sent.length; this.served++) {
      const one = this.rig.sent[this.served]!;
      if (one.kind === 'solicitation' && !this.draw.chance(0.05)) this.answer(one);
    }
  }

  private answer(solicitation: Sent): void {
    const { address, socket } = solicitation;
    const isSecondary = address === B_SECONDARY.address;
    const port = isSecondary ? SECONDARY_PORT[this.nat] : B_MAPPED.port;
    if (socket === 0) this.rig.serve(solicitation, { ...B_MAPPED, port });
    else if (socket >= 16) this.rig.serve(solicitation, { ...B_MAPPED, port: (this.counted += 2) });
  }

  private changeNat(): void {
    this.nat = this.draw.pick(['restricted', 'preserving', 'counting', 'random']);
    const localAddress = v4('172.16.7.2');
    this.rig.machine.networkChanged(this.rig.now, {
      subnets: [{ address: localAddress, prefixLength: 24 }],
      localAddress,
    });
    this.rig.drain();
    this.pass(5_000);
  }

  private socket(): number {
    return this.draw.chance(0.6) ? 0 : this.draw.pick([0, ...this.rig.sockets]);
  }

  private trailers(): RigTrailers {
    const { draw } = this;
    const last = this.rig.sent.findLast((one) => one.kind === 'bubble' && one.to(A_SERVER));
    const { nonce: ours, guess: offered } = last === undefined ? { nonce: 1 } : trailersOf(last);
    const trailers: RigTrailers = {
      ...(draw.chance(0.6) ? { nonce: draw.chance(0.7) ? (ours ?? 1) : A_NONCE } : {}),
      ...(draw.chance(0.2) ? { randomPort: draw.pick([0, 51_000, 5_000]) } : {}),
      ...(draw.chance(0.2) ? { alternates: [draw.pick(PLACES)] } : {}),
      ...(draw.chance(0.3)
        ? { neighborDiscovery: draw.pick(['solicitation', 'advertisement'] as const) }
        : {}),
    };
    if (!draw.chance(0.2)) return trailers;
    const habit = draw.pick(['stable', 'counting', 'random'] as const);
    const measured = habit === 'counting' ? { port: 2_000, step: 2 } : {};
    const echo = draw.chance(0.7) ? (offered?.token ?? 0) : 0;
    return { ...trailers, guess: guess({ habit, echo, ...measured, token: draw.pick([0xabcd, 0xef01]) }) };
  }
}
