import { EventEmitter, once } from 'node:events';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../../../test/support/eventually.ts';
import { Admission } from '../proxy/admission.ts';
import { UdpForward } from './udp-forward.ts';

/** A socket in a guest. */
class Inside extends EventEmitter {
  /** Answers by peer. */
  readonly sent: string[] = [];
  getSendQueueSize = (): number => 0;
  close = (): void => {};
  send = (octets: Uint8Array, port: number, address: string): void =>
    void this.sent.push(`${address} ${port}: ${Buffer.from(octets).toString()}`);

  take(address: string, words: string): void {
    this.emit('message', Buffer.from(words), { address, port: 1 });
  }
}

/** A forwarded port of an echo service, with so many places. */
async function forwardOf(most: number, mostConfirmed = most): Promise<Inside> {
  const service = createSocket('udp4');
  service.on('message', (octets, { port, address }) => service.send(octets, port, address));
  onTestFinished(() => void service.close());
  await once(service.bind(0, '127.0.0.1'), 'listening');
  const inside = new Inside();
  const rule = { protocol: 'udp', port: 53, host: '127.0.0.1', hostPort: service.address().port } as const;
  const places = new Admission({ most, mostConfirmed, silentMs: 10_000 });
  const network = { openUdp: () => inside as unknown as Socket };
  const forward = new UdpForward(rule, network, places);
  onTestFinished(() => forward.close());
  return inside;
}

/** Asks, and asks again after the answer. */
async function converse(inside: Inside, address: string): Promise<void> {
  for (const words of ['one', 'two']) {
    inside.take(address, words);
    await eventually(() => expect(inside.sent).toContain(`${address} 1: ${words}`));
  }
}

test('forged datagrams from everywhere end no flow that has gone on, and a newcomer is answered', async () => {
  const inside = await forwardOf(16, 12);
  await converse(inside, '2a00::1');
  for (let i = 0; i < 100; i++) inside.take(`3000:${i.toString(16)}::1`, 'forged');
  await eventually(() =>
    expect(inside.sent.filter((line) => line.includes('forged')).length).toBeGreaterThan(3),
  );
  inside.take('2a00::1', 'still here');
  await converse(inside, '2b00::1');
  expect(inside.sent).toContain('2a00::1 1: still here');
});

test('the /64s of one /48 do not hold all places', async () => {
  const inside = await forwardOf(8);
  for (let i = 0; i < 8; i++) await converse(inside, `2a00:1:2:${i.toString(16)}::1`);
  await converse(inside, '2b00::1');
  await converse(inside, '2b00::2');
  inside.take('2a00:1:2:0::1', 'still here');
  await eventually(() => expect(inside.sent).toContain('2a00:1:2:0::1 1: still here'));
});
