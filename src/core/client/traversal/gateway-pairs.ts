import type { SocketId } from '../../socket-id.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import { compareBytes, mappedAddressOf, mappedPortOf } from '../../../wire/index.ts';
import type { Endpoint } from '../../../wire/index.ts';
import type { PeerPath, Place } from './peer-path.ts';

/**
 * Pairs at which a NAT admits packets from everywhere: a gateway has mapped them (RFC 6081 sections 5.3, 5.6), or the user has forwarded them
 * manually. Packets that leave by another mapping come from another pair, so a peer may be heard from two.
 */
export class GatewayPairs {
  private readonly context: ClientContext;

  constructor(context: ClientContext) {
    this.context = context;
  }

  /**
   * Our own: the pair that a gateway has mapped, unless the server sees the same one. Without a gateway: the user may have forwarded a port that
   * they have chosen, though a symmetric NAT does not show it. E-47, E-90
   */
  get own(): Endpoint | undefined {
    const { gateway, isGatewayTheNat, qualified, mapped, options } = this.context;
    if (gateway !== undefined) return isGatewayTheNat ? undefined : gateway;
    const { chosenPort } = options;
    if (qualified?.symmetric !== true || chosenPort === undefined || chosenPort === mapped!.port)
      return undefined;
    return { address: mapped!.address, port: chosenPort };
  }

  /**
   * Whether a peer that is reached at one pair, and has shown our nonce at this one, is better sent to here. Both sides must choose the same way.
   * Example: A and B both have gateways, and each has come through the gateway of the other at about the same time. A has the lower address: it
   * sends to B's gateway, and B keeps to where A comes from.
   */
  prefers(path: PeerPath, { address, port, socket }: Place): boolean {
    const { gateway, policy, peers, address: own } = this.context;
    if (gateway === undefined || socket !== SOCKET.service || !policy.isGlobalUnicast(address)) return false;
    const { alternates, peer } = path;
    const isGateway = (pair: Endpoint): boolean =>
      alternates.some((one) => one.address === pair.address && one.port === pair.port);
    const present = { address: peers.mappedAddress[peer]!, port: peers.mappedPort[peer]! };
    const isLower = compareBytes(own!, peers.address(peer)) < 0;
    const [better, worse] = isLower ? [{ address, port }, present] : [present, { address, port }];
    return isGateway(better) && !isGateway(worse);
  }

  /**
   * The pair to which a peer is sent that has shown our nonce at this place. E-48, E-49, E-50
   * Example: a gateway has opened our symmetric NAT, and the peer comes from another pair than its address says. Its NAT seems symmetric, and may
   * have been opened the same way: it is sent to the pair in its address, unless it has named another pair at which its NAT is open.
   */
  targetFor(path: PeerPath, { address, port, socket }: Place): Endpoint {
    const { qualified, isGatewayTheNat, policy, peers } = this.context;
    const isOpened = qualified!.symmetric && isGatewayTheNat && socket === SOCKET.service;
    if (!isOpened || !policy.isGlobalUnicast(address)) return { address, port };
    if (path.alternates.some((one) => policy.isGlobalUnicast(one.address))) return { address, port };
    const target = peers.address(path.peer);
    return { address: mappedAddressOf(target, 0), port: mappedPortOf(target, 0) };
  }

  /** The peer may send from this place too; `isUsual`: only from this one, though it is sent to another. Whether that is new. */
  noteSecondSource(path: PeerPath, { address, port, socket }: Place, isUsual = false): boolean {
    const before = this.sendsFrom(path, address, port, socket);
    if (before !== 'usually') path.secondSource = { address, port, socket, isUsual };
    return before === undefined;
  }

  /** Whether the peer has shown our nonce at this place, while it is sent to another one. */
  sendsFrom(
    path: PeerPath,
    address: number,
    port: number,
    socket: SocketId,
  ): 'usually' | 'perhaps' | undefined {
    const second = path.secondSource;
    if (second?.address !== address || second.port !== port || second.socket !== socket) return undefined;
    return second.isUsual ? 'usually' : 'perhaps';
  }
}
