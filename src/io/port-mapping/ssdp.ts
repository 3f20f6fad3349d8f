import { createSocket } from 'node:dgram';
import { inSubnets } from '../../core/address-policy.ts';
import type { Subnet } from '../../core/address-policy.ts';
import {
  SSDP_GROUP,
  SSDP_PORT,
  buildSearch,
  formatIpv4,
  parseBootId,
  parseIpv4,
  parseSearchAnswer,
} from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import { ANSWER_MS, askGateway, noteShortage, unlessSilent } from './gateway-socket.ts';
import type { WayToGateway } from './gateway-socket.ts';
import { mayAskAt } from './http-ports.ts';

const GROUP = formatIpv4(SSDP_GROUP);
/** The most of UPnP Device Architecture section 1.3.2. */
const TTL = 2;
/** Repeats: a multicast datagram may get lost. */
const AGAIN_MS = 300;
/** The longest answer that is read; usual ones have some 400 octets. */
const ANSWER_MOST = 2_048;
/** The most answers of hosts other than the gateway that are examined. */
const OTHERS_MOST = 32;

/** The URL of a gateway's description, and the identifier of the gateway's latest start. */
export interface Found {
  readonly url: URL;
  readonly bootId: number | undefined;
}

export interface Searched {
  /** From the gateway's own answer; settles early if it refuses. */
  readonly asked: Promise<Found | undefined>;
  /**
   * From the gateway's answer to the multicast search (some gateways answer only that); or, once the time is over, from another host on the
   * link.
   */
  readonly ofGroup: Promise<Found | undefined>;
}

/** Sends the search to the gateway itself and to the group. */
export function search(way: WayToGateway, subnets: readonly Subnet[], signal: AbortSignal): Searched {
  const request = Buffer.from(buildSearch(formatIpv4(way.gateway)));
  return {
    asked: askGateway(way, SSDP_PORT, request, (message) => read(message, way.gateway), signal).then(
      unlessSilent,
    ),
    ofGroup: askGroup(way, subnets, signal),
  };
}

function askGroup(
  way: WayToGateway,
  subnets: readonly Subnet[],
  signal: AbortSignal,
): Promise<Found | undefined> {
  const { gateway, source, answerMs = ANSWER_MS } = way;
  const link = subnets.filter((subnet) => inSubnets(source, [subnet]));
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const timers: NodeJS.Timeout[] = [];
    let [ended, other]: [boolean, Found | undefined] = [false, undefined];
    let others = 0;
    const end = (found = other): void => {
      if (ended) return;
      ended = true;
      for (const timer of timers) clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      socket.close();
      resolve(found);
    };
    const giveUp = (): void => end();
    const fail = (error: unknown): void => {
      if (!ended) noteShortage(error, way);
      end();
    };
    const send = (): void => {
      if (!ended)
        socket.send(buildSearch(GROUP), SSDP_PORT, GROUP, (error) => void (error !== null && fail(error)));
    };
    socket.on('error', fail);
    socket.on('message', (message, { address }) => {
      const from = parseIpv4(address);
      if (from === undefined || from === source || !inSubnets(from, link)) return;
      if (from !== gateway && ++others > OTHERS_MOST) return;
      const found = read(message, from);
      if (found !== undefined && from === gateway) end(found);
      else other ??= found;
    });
    socket.bind(0, formatIpv4(source), () => {
      if (ended) return;
      try {
        socket.setMulticastInterface(formatIpv4(source));
        socket.setMulticastTTL(TTL);
      } catch (error) {
        fail(error); // the local address has just gone
        return;
      }
      send();
      timers.push(setTimeout(send, AGAIN_MS));
    });
    timers.push(setTimeout(giveUp, answerMs));
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp);
  });
}

/**
 * The description has to be at the host that answered, at a port of no other service: an answer must not direct our requests to other
 * hosts.
 */
function read(message: Uint8Array, from: Ipv4): Found | undefined {
  if (message.length > ANSWER_MOST) return undefined;
  const text = Buffer.from(message).toString('latin1');
  const url = urlAt(parseSearchAnswer(text) ?? '', from);
  return url === undefined ? undefined : { url, bootId: parseBootId(text) };
}

/** The URL in LOCATION, if it is at that host, at a port that no other well-known service has. */
function urlAt(text: string, host: Ipv4): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return isPlain(url) && parseIpv4(url.hostname) === host && mayAskAt(Number(url.port)) ? url : undefined;
}

/** A URL in the description at `description`; it has to be at the same host and port. */
export function urlBeside(text: string, description: URL): URL | undefined {
  if (!URL.canParse(text, description.href)) return undefined;
  const url = new URL(text, description);
  return isPlain(url) && url.host === description.host ? url : undefined;
}

function isPlain({ protocol, username, password }: URL): boolean {
  return protocol === 'http:' && username === '' && password === '';
}
