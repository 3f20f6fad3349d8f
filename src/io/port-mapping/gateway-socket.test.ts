import { expect, test } from 'vitest';
import { DescriptorLimit } from '../../../test/support/descriptor-limit.ts';
import { parseIpv4 } from '../../wire/index.ts';
import { askGateway } from './gateway-socket.ts';
import type { WayToGateway } from './gateway-socket.ts';
import { askHttp } from './http.ts';
import { search } from './ssdp.ts';

const LOOPBACK = parseIpv4('127.0.0.1')!;
const REQUESTS: Readonly<Record<string, (way: WayToGateway) => Promise<unknown>>> = {
  'PCP and NAT-PMP': (way) => askGateway(way, 5_351, new Uint8Array(2), () => undefined),
  'the search by multicast': (way) => search(way, [], new AbortController().signal).ofGroup,
  HTTP: (way) => askHttp(new URL('http://127.0.0.1:5000/'), way),
};

test.each(Object.entries(REQUESTS))(
  '%s without a descriptor: a shortage of this host, reported',
  async (_, ask) => {
    let shortages = 0;
    const way: WayToGateway = {
      gateway: LOOPBACK,
      source: LOOPBACK,
      answerMs: 200,
      onShortage: () => void shortages++,
    };
    const limit = new DescriptorLimit();
    await limit.begin();
    await ask(way);
    expect(shortages).toBeGreaterThan(0);
    await limit.end();
    shortages = 0;
    await ask(way);
    expect(shortages).toBe(0);
  },
);
