/**
 * The kernel path writes the UDP checksum itself. Captured after the last hop it is right, or absent if the receiver is known to accept
 * that. No segment is lost for its checksum, not even the shorter last one of a super-packet: a request and its response of 3,000 octets
 * take no retransmission. This holds whatever the links leave to the receiver, and for every kind of receiver.
 */
import { describe, expect, test } from 'vitest';
import {
  Capture,
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  ping,
  transfer,
} from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { internetChecksum, readUint16 } from '../../src/wire/index.ts';
import { IS_ALL, everyNth } from '../support/extent.ts';
import { proveKernelPath } from '../support/carried.ts';
import { slowExchanges } from '../support/exchange.ts';
import { startMiredoClient } from '../support/miredo.ts';
import { finishPackets, linksOf, portTo, switchTxOff } from '../support/links.ts';
import { framesOf } from '../support/pcap.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';

const EXCHANGE = { octets: 3_000, count: IS_ALL ? 1_000 : 200 };
/** TCP repeats a lost last segment after 200 ms at the earliest. A busy machine occasionally takes that long. */
const REPEATED_MS = 190;
const BYTES = 3_000_000;
const ETHERNET = 14;
interface Setting {
  /** Interfaces that leave segmentation and checksums to the next hop; all others do not, after `finish`. */
  readonly unfinished: (net: Internet) => readonly (readonly [Namespace, string])[];
  readonly finish?: typeof finishPackets;
  /** The NAT of the sender drops datagrams without a checksum. */
  readonly dropsUnsummed: boolean;
}

const SETTINGS: Record<string, Setting> = {
  'links as between machines': { unfinished: () => [], dropsUnsummed: false },
  'the same, with datagrams without a checksum dropped': { unfinished: () => [], dropsUnsummed: true },
  ...(IS_ALL && {
    'links with tx off and nothing else': {
      unfinished: () => [],
      finish: switchTxOff,
      dropsUnsummed: false,
    },
  }),
  'a client in a container behind a NAT of the same kernel': {
    unfinished: linksOfContainer,
    dropsUnsummed: false,
  },
  'the same, with datagrams without a checksum dropped there': {
    unfinished: linksOfContainer,
    dropsUnsummed: true,
  },
};

describe.each(everyNth(3, Object.entries(SETTINGS)))(
  '%s',
  (_setting, { unfinished, finish = finishPackets, dropsUnsummed }) => {
    test.each(IS_ALL ? ['kernel', 'user', 'miredo'] : [dropsUnsummed ? 'miredo' : 'kernel'])(
      'to a peer whose path is: %s',
      async (kind) => {
        await using net = new Internet();
        const [a, b] = [net.site('a', 'port-restricted'), net.site('b', 'port-restricted')];
        const left = unfinished(net).map(([host, link]) => `${host.name} ${link}`);
        for (const host of net.lab.hosts)
          for (const link of linksOf(host)) if (!left.includes(`${host.name} ${link}`)) finish(host, link);
        if (dropsUnsummed) {
          a.nat.nft(`table ip unsummed {
        chain forward { type filter hook forward priority 0; udp checksum 0 drop; }
      }`);
        }
        await startServer(net.server, SERVER_ADDRESS);
        await startRelay(net.relay, RELAY_ADDRESS, '--data-path', kind === 'user' ? 'user' : 'kernel');
        await startClient(a.client, SERVER_ADDRESS, '--data-path', 'kernel');
        if (kind === 'miredo') startMiredoClient(b.client, SERVER_ADDRESS);
        else await startClient(b.client, SERVER_ADDRESS, '--data-path', kind);
        const address = await teredoAddress(b.client);
        await teredoAddress(a.client);
        // At the last port before the host: a program in the host's driver may unwrap datagrams before a capture there.
        const toPeer = portTo(b.client, 'eth', b.lan);
        const toRelay = portTo(net.relay, 'wan', net.backbone);
        await using atPeer = await Capture.start(b.lan, toPeer, 'udp and outbound');
        await using atRelay = await Capture.start(net.backbone, toRelay, 'udp and outbound');
        for (const [to, at] of [
          [b.client, address],
          [net.native, NATIVE_ADDRESS],
        ] as const) {
          expect(await ping(a.client, at, 10_000)).toBeDefined();
          await proveKernelPath(a.client, at);
          expect(await transfer(a.client, to, at, BYTES)).toMatchObject({ whole: true });
          expect(await slowExchanges(a.client, to, at, EXCHANGE, REPEATED_MS)).toBeLessThan(
            EXCHANGE.count / 50,
          );
        }
        for (const capture of [atPeer, atRelay]) {
          const { wrong, right, none } = checksumsIn(await capture.stop());
          expect(wrong).toEqual([]);
          expect(right + none).toBeGreaterThan(1_000);
          if (dropsUnsummed) expect(none).toBe(0);
        }
        // In a container, unfinished packets go only to a peer whose kernel unwraps: all other TCP goes by the process.
        const isCarried = left.length === 0 || (kind === 'kernel' && !dropsUnsummed);
        const { counters } = (await statusOf(a.client, 'client'))!['dataPath'] as {
          counters: Record<string, number>;
        };
        if (isCarried) expect(counters['carriedOut']).toBeGreaterThan(500);
      },
    );
  },
);

function linksOfContainer(net: Internet): (readonly [Namespace, string])[] {
  const inside = net.lab.hosts.filter(({ name }) => /-(client|lan|nat)-a$/.test(name));
  return inside.flatMap((host) =>
    linksOf(host)
      .filter((link) => link !== 'wan')
      .map((link) => [host, link] as const),
  );
}

/** Of the UDP datagrams that arrived or left. Those that left by an interface that leaves the sum to the hardware are not judged. */
function checksumsIn(file: Uint8Array): { wrong: string[]; right: number; none: number } {
  const found = { wrong: [] as string[], right: 0, none: 0 };
  for (const [i, frame] of framesOf(file).entries()) {
    const ip = frame.subarray(ETHERNET);
    const udp = 4 * (ip[0]! & 15);
    const length = readUint16(ip, udp + 4);
    if (readUint16(ip, udp + 6) === 0) {
      found.none++;
      continue;
    }
    const summed = new Uint8Array(12 + length + (length % 2));
    summed.set(ip.subarray(12, 20));
    summed[9] = 17;
    summed.set(ip.subarray(udp + 4, udp + 6), 10);
    summed.set(ip.subarray(udp, udp + length), 12);
    if (internetChecksum(summed, 0, summed.length) === 0) found.right++;
    else found.wrong.push(`frame ${i + 1}, ${length} octets, next header ${ip[udp + 8 + 6]}`);
  }
  return found;
}
