import { REFRESH_INTERVAL_MS } from '../../core/constants.ts';
import type { NatKind, QualificationReason } from '../../core/events.ts';
import { openingOf, protocolsInWords } from './gateway.ts';
import type { GatewayFindings } from './gateway.ts';
import type { UdpLifetime } from './lifetime.ts';
import type { NatBehaviour } from './nat-behaviour.ts';
import { PEERS_IN_WORDS } from './reach.ts';

/** Codes are stable, the words are not. */
export interface Advice {
  readonly code:
    | 'nothing-to-do'
    | 'forward-a-port'
    | 'port-mapping'
    | 'second-nat'
    | 'other-server'
    | 'refresh-more-often'
    | 'local-discovery'
    | 'host-firewall'
    | 'several-addresses';
  readonly text: string;
}

/** RFC 4380 section 5.2.5: the client's own, unless set otherwise. */
const REFRESH_SECONDS = REFRESH_INTERVAL_MS / 1_000;
/** The least value of --refresh. */
const LEAST_REFRESH_SECONDS = 5;

const MANUALLY = 'forward a UDP port of the router to this host and give it with --port';
const FORWARD_A_PORT = `${MANUALLY}, or enable UPnP or PCP (NAT-PMP) on the router`;

/** Advice on the findings. The reason why a server does not work stands with that server. */
export function adviceOf(found: {
  readonly works: boolean;
  readonly nat: NatKind;
  readonly reason?: QualificationReason | undefined;
  readonly behaviour?: NatBehaviour | undefined;
  readonly lifetime?: UdpLifetime | undefined;
  readonly gateway?: GatewayFindings | undefined;
}): Advice[] {
  const { works, nat, reason, behaviour, lifetime, gateway } = found;
  const advice: Advice[] = [];
  const add = (code: Advice['code'], text: string): void => void advice.push({ code, text });
  if (reason !== undefined && OF_THE_SERVER.has(reason)) {
    add('other-server', 'try another server: the fault is with this one, or on the way to it');
  }
  if (works && behaviour?.mapping === 'unknown') {
    add(
      'other-server',
      'name a server with two IPv4 addresses, or several servers: only so can a symmetric NAT be ruled out',
    );
  }
  const isFiltered = works && behaviour?.present === true && behaviour.filtering !== 'endpoint-independent';
  if (nat === 'symmetric' || isFiltered) advice.push(openAPort(nat, behaviour, gateway));
  if (behaviour?.present === false && behaviour.filtering !== 'endpoint-independent') {
    add(
      'host-firewall',
      "there is no NAT, but something filters: let UDP to the client's --port in through the firewall",
    );
  }
  if (behaviour !== undefined && behaviour.externalAddresses.length > 1) {
    add(
      'several-addresses',
      'the NAT uses several addresses, and may change them: ask its operator to pair addresses (RFC 4787 REQ-2), or use another network',
    );
  }
  if (behaviour?.present === true && behaviour.hairpinning === 'no') {
    add(
      'local-discovery',
      'clients behind this NAT cannot reach each other through it: leave local discovery on (it is, unless --no-local-discovery)',
    );
  }
  if (lifetime?.goneAfterSeconds !== undefined && lifetime.survivedSeconds < REFRESH_SECONDS) {
    const seconds = Math.floor(lifetime.survivedSeconds);
    add(
      'refresh-more-often',
      seconds < LEAST_REFRESH_SECONDS
        ? 'the NAT forgets too soon for any --refresh: have its timeout for UDP raised (RFC 4787 wants 120 s at the least)'
        : `the NAT forgets sooner than the usual ${REFRESH_SECONDS} s: run the client with --refresh ${seconds}`,
    );
  }
  if (advice.length === 0 && works) add('nothing-to-do', 'nothing needs to be done');
  return advice;
}

/** How all peers are let in where the NAT lets in some only. */
function openAPort(
  nat: NatKind,
  behaviour: NatBehaviour | undefined,
  gateway: GatewayFindings | undefined,
): Advice {
  const why =
    nat === 'symmetric'
      ? 'to be reached by all peers, '
      : `to reach peers behind NATs "${PEERS_IN_WORDS['random-symmetric']}" without guessing ports, `;
  const oneForAll = nat === 'symmetric' ? ': that port then has one mapping for all' : '';
  switch (gateway === undefined ? 'none' : openingOf(gateway, behaviour)) {
    case 'works':
    case 'unknown-address':
      return {
        code: 'port-mapping',
        text:
          `the gateway opens ports (${protocolsInWords(gateway!)}), and the client asks it to by itself: leave that on (it is, unless ` +
          '--no-port-mapping), and peers that know RFC 6081 reach this host whatever their NAT',
      };
    case 'second-nat':
      return {
        code: 'second-nat',
        text:
          `${why}have the outer NAT let it in too: a port that the gateway opens is open to the network between the two only. Forward a UDP port ` +
          "in both, make one of them a bridge, or, where the outer one is a carrier's, ask for a public address",
      };
    case 'refused':
      return {
        code: 'forward-a-port',
        text: `${why}let this host ask for ports in the router's settings (it refuses), or ${MANUALLY}${oneForAll}`,
      };
    case 'none':
    case 'offline':
      return { code: 'forward-a-port', text: `${why}${FORWARD_A_PORT}${oneForAll}` };
  }
}

const OF_THE_SERVER: ReadonlySet<QualificationReason> = new Set([
  'no-answer',
  'no-answer-secondary',
  'invalid-answer',
  'answer-from-elsewhere',
]);
