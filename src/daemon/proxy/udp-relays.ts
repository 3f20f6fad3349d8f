import type { Socket } from 'node:net';
import type { Target } from '../../wire/proxy-target.ts';
import { failureOf, successOf } from './answers.ts';
import { localEnd, withoutZone } from './ends.ts';
import { lastAnswer } from './last-answer.ts';
import { UdpRelay } from './udp-relay.ts';
import type { UdpParts } from './udp-relay.ts';

/** UDP ASSOCIATE: RFC 1928 sections 4, 7. */
export class UdpRelays {
  private readonly parts: UdpParts;

  constructor(parts: UdpParts) {
    this.parts = parts;
  }

  /** Relays datagrams as long as the connection that has asked for it stands. `expected`: the port from which they will come, unless it is 0. */
  async associate(control: Socket, expected: Target): Promise<void> {
    const [here, there] = [withoutZone(control.localAddress), withoutZone(control.remoteAddress)];
    // A client at a Unix socket has no address.
    if (here === '' || there === '') return await lastAnswer(control, failureOf('socks', 'unknown-command'));
    const client = { address: there, port: expected.port };
    const relay = await UdpRelay.open(here, client, this.parts, () => control.destroy());
    if (relay === undefined) return await lastAnswer(control, failureOf('socks', 'failed'));
    control.write(successOf('socks', { ...localEnd(control), port: relay.port }));
    await new Promise<void>((resolve) => {
      control.on('end', () => control.destroy());
      control.on('close', () => resolve()).resume();
      if (control.destroyed) resolve();
    });
    relay.close();
  }
}
