import { Command, Option } from 'commander';
import { MAX_PEERS } from '../../control/control-protocol.ts';
import { PEER_ORDERS, firstPeers } from '../../control/peer-order.ts';
import type { PeerOrder } from '../../control/peer-order.ts';
import type { PeersStatus } from '../../control/status.ts';
import { formatSpan, meansInWords, pathInWords } from '../../control/words.ts';
import { printColumns, printJson, printLine } from '../output.ts';
import { countValue } from '../values.ts';
import { askOne, reading } from './ask-daemon.ts';

interface PeersOptions {
  readonly json?: boolean;
  readonly limit: number;
  readonly sort?: PeerOrder;
  readonly top?: number;
}

/** `teredo peers`: the peers of a client or relay. */
export function peersCommand(): Command {
  return new Command('peers')
    .description(
      'the peers that a client or relay knows; a client says by which means it reaches them: relay (native hosts), direct, local, ' +
        'nonce or random-port (RFC 6081), guess (of ports), via your relay (--meet; "met" with --json); packets and octets are those of the hosts, whether ' +
        'the kernel or this program has carried them',
    )
    .argument('[name]', 'the daemon')
    .option('--json', 'print JSON')
    .addOption(
      new Option(
        '--sort <by>',
        'traffic: those with the most octets first; heard: those heard last first',
      ).choices(PEER_ORDERS),
    )
    .option(
      '--top <count>',
      'only the first of them (--sort traffic if there is none)',
      countValue(1, MAX_PEERS),
    )
    .option('--limit <count>', 'how many at most', countValue(1, MAX_PEERS), 1_000)
    .action(async (name: string | undefined, options: PeersOptions) => {
      const answer = await askInOrder(name, options);
      if (options.json === true) {
        printJson(answer);
        return;
      }
      reading(`"${answer.name}"`, () => printPeers(answer));
    });
}

/** An order is one of all peers, however many are shown. */
async function askInOrder(
  name: string | undefined,
  { limit, sort, top }: PeersOptions,
): Promise<PeersStatus> {
  const order = sort ?? (top === undefined ? undefined : 'traffic');
  if (order === undefined) return askOne<PeersStatus>(name, { command: 'peers', limit });
  const answer = await askOne<PeersStatus>(name, { command: 'peers', limit: MAX_PEERS });
  return reading(`"${answer.name}"`, () => ({
    ...answer,
    peers: firstPeers(answer.peers, order, top ?? limit),
  }));
}

function printPeers(answer: PeersStatus): void {
  printColumns(
    ['PEER', 'SENT TO', 'STATE', 'MEANS', 'PATH', 'HEARD', 'SENT', ...TRAFFIC],
    answer.peers.map((peer) => [
      peer.address,
      peer.mapped ?? '-',
      peer.trusted ? (peer.local ? 'trusted, local' : 'trusted') : 'unverified',
      peer.means === undefined ? '-' : meansInWords(peer.means),
      pathInWords(peer),
      ago(peer.receivedSecondsAgo),
      ago(peer.sentSecondsAgo),
      String(peer.receivedPackets),
      String(peer.receivedBytes),
      String(peer.sentPackets),
      String(peer.sentBytes),
    ]),
  );
  if (answer.total > answer.peers.length) printLine(`and ${answer.total - answer.peers.length} more`);
}

const TRAFFIC = ['PACKETS IN', 'OCTETS IN', 'PACKETS OUT', 'OCTETS OUT'];

function ago(seconds: number | undefined): string {
  return seconds === undefined ? '-' : `${formatSpan(seconds)} ago`;
}
