import type { Socket } from 'node:net';
import type { Target } from '../../wire/proxy-target.ts';
import { Admission } from './admission.ts';
import { failureOf, successOf } from './answers.ts';
import type { Asker } from './asker.ts';
import { localEnd, withoutZone } from './ends.ts';
import { lastAnswer } from './last-answer.ts';
import { UdpRelay } from './udp-relay.ts';
import type { UdpParts } from './udp-relay.ts';

/** UDP associations at the same time. A message of the agent has room for their sockets. */
export const MOST_ASSOCIATIONS = 200;

/** UDP ASSOCIATE: RFC 1928 sections 4, 7. */
export class UdpRelays {
  private readonly parts: UdpParts;
  private readonly places: Admission;
  /** Those that are closing: their sockets are not free yet. */
  private readonly closing = new Set<Promise<void>>();

  constructor(parts: UdpParts, most = MOST_ASSOCIATIONS) {
    this.parts = parts;
    this.places = new Admission({ most });
  }

  /** Relays datagrams as long as the connection that has asked for it stands. `expected`: the port from which they will come, unless it is 0. */
  async associate(control: Socket, expected: Target, asker: Asker): Promise<void> {
    const [here, there] = [withoutZone(control.localAddress), withoutZone(control.remoteAddress)];
    // A client at a Unix socket has no address.
    if (here === '' || there === '') return await lastAnswer(control, failureOf('socks', 'unknown-command'));
    const association = this.relay(control, here, { address: there, port: expected.port }, asker);
    if (!(await association)) await lastAnswer(control, failureOf('socks', 'failed'));
  }

  /** False: there is no place or no socket for it. */
  private async relay(
    control: Socket,
    here: string,
    client: { readonly address: string; readonly port: number },
    asker: Asker,
  ): Promise<boolean> {
    let end = (): void => void control.destroy();
    const place = this.places.admit(asker.source, () => end());
    if (place === undefined) return false;
    place.confirm();
    await Promise.all(this.closing);
    const relay = await UdpRelay.open(here, client, this.parts, asker, () => control.destroy());
    if (relay === undefined) {
      place.leave();
      return false;
    }
    end = () => {
      control.destroy();
      this.close(relay);
    };
    if (!control.destroyed) control.write(successOf('socks', { ...localEnd(control), port: relay.port }));
    await ended(control);
    place.leave();
    this.close(relay);
    return true;
  }

  private close(relay: UdpRelay): void {
    const closed = relay.close().then(() => void this.closing.delete(closed));
    this.closing.add(closed);
  }
}

function ended(control: Socket): Promise<void> {
  return new Promise((resolve) => {
    control.on('end', () => control.destroy());
    control.on('close', () => resolve()).resume();
    if (control.destroyed) resolve();
  });
}
