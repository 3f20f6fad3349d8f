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
import { ANSWER_MS, askGateway, unlessSilent } from './gateway-socket.ts';
import type { WayToGateway } from './gateway-socket.ts';
import { mayAskAt } from './http-ports.ts';

const GROUP = formatIpv4(SSDP_GROUP);
/** UPnP Device Architecture section 1.3.2: at most. */
const TTL = 2;
/** A datagram of the group's may get lost. */
const AGAIN_MS = 300;
/** Answers have some 400 octets; longer ones are not looked at. */
const ANSWER_MOST = 2_048;
/** Answers of hosts that are not the gateway: of so many a gateway is looked for. */
const OTHERS_MOST = 32;

/** Where the description of a gateway is, and which of its starts it is from. */
export interface Found {
  readonly url: URL;
  readonly bootId: number | undefined;
}

export interface Searched {
  /** As the gateway itself says; settled early where it refuses. */
  readonly asked: Promise<Found | undefined>;
  /** As it says when the group is asked, which some listen to only; or else somebody else on the link, once the time is over. */
  readonly ofGroup: Promise<Found | undefined>;
}

/** Asks the gateway itself and the group. */
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
  { gateway, source, answerMs = ANSWER_MS }: WayToGateway,
  subnets: readonly Subnet[],
  signal: AbortSignal,
): Promise<Found | undefined> {
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
    const send = (): void => {
      if (!ended)
        socket.send(buildSearch(GROUP), SSDP_PORT, GROUP, (error) => void (error !== null && end()));
    };
    socket.on('error', giveUp);
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
      } catch {
        giveUp(); // the address has just gone
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

/** It has to be at the very host that has answered, and at no other service's port: nobody has us ask others. */
function read(message: Uint8Array, from: Ipv4): Found | undefined {
  if (message.length > ANSWER_MOST) return undefined;
  const text = Buffer.from(message).toString('latin1');
  const url = urlAt(parseSearchAnswer(text) ?? '', from);
  return url === undefined ? undefined : { url, bootId: parseBootId(text) };
}

/** The URL in LOCATION, where it is one of that host's, and no other service can be there. */
function urlAt(text: string, host: Ipv4): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return isPlain(url) && parseIpv4(url.hostname) === host && mayAskAt(Number(url.port)) ? url : undefined;
}

/** A URL in the description that is at `description`: it has to be at the same host and port. */
export function urlBeside(text: string, description: URL): URL | undefined {
  if (!URL.canParse(text, description.href)) return undefined;
  const url = new URL(text, description);
  return isPlain(url) && url.host === description.host ? url : undefined;
}

function isPlain({ protocol, username, password }: URL): boolean {
  return protocol === 'http:' && username === '' && password === '';
}
