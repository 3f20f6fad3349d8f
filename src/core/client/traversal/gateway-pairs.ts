import type { SocketId } from '../../socket-id.ts';
import type { ClientContext } from '../context.ts';
import { SOCKET } from '../options.ts';
import { compareBytes, mappedAddressOf, mappedPortOf } from '../../../wire/index.ts';
import type { Endpoint } from '../../../wire/index.ts';
import type { PeerPaths, Place } from './peer-paths.ts';

/**
 * Pairs at which a NAT lets anybody in: a gateway has mapped them (RFC 6081 sections 5.3, 5.6), or somebody by hand. What leaves by another
 * mapping than that comes from another pair, so that a peer may be heard from two.
 */
export class GatewayPairs {
  private readonly context: ClientContext;
  private readonly paths: PeerPaths;

  constructor(context: ClientContext, paths: PeerPaths) {
    this.context = context;
    this.paths = paths;
  }

  /**
   * Our own: what a gateway has mapped, unless the server sees the same. Without a gateway: a port that was chosen may have been forwarded
   * by hand, though a symmetric NAT does not show it. E-47, E-90
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
   * A peer that is reached at one pair has shown our nonce from another. Where gateways of both let anybody in, each may have come through
   * to the other at about the same time: the one of the lower address then goes by the other's gateway, and the other agrees.
   */
  prefers(peer: number, { address, port, socket }: Place): boolean {
    const { gateway, policy, peers, address: own } = this.context;
    if (gateway === undefined || socket !== SOCKET.service || !policy.isGlobalUnicast(address)) return false;
    const alternates = this.paths.get(peer)?.alternates ?? [];
    const isGateway = (pair: Endpoint): boolean =>
      alternates.some((one) => one.address === pair.address && one.port === pair.port);
    const present = { address: peers.mappedAddress[peer], port: peers.mappedPort[peer] };
    const isLower = compareBytes(own!, peers.address(peer)) < 0;
    const [better, worse] = isLower ? [{ address, port }, present] : [present, { address, port }];
    return isGateway(better) && !isGateway(worse);
  }

  /**
   * Where a peer that has shown our nonce from a pair is sent to. Behind a symmetric NAT that a gateway has opened, a peer that seems to be
   * behind a symmetric one too is sent to where its address says: its NAT may have been opened the same way. Not so one that has named
   * another place where its NAT is open. E-48, E-49, E-50
   */
  targetFor(peer: number, { address, port, socket }: Place): Endpoint {
    const { qualified, isGatewayTheNat, policy, peers } = this.context;
    const isOpened = qualified!.symmetric && isGatewayTheNat && socket === SOCKET.service;
    if (!isOpened || !policy.isGlobalUnicast(address)) return { address, port };
    const alternates = this.paths.get(peer)?.alternates ?? [];
    if (alternates.some((one) => policy.isGlobalUnicast(one.address))) return { address, port };
    const target = peers.address(peer);
    return { address: mappedAddressOf(target, 0), port: mappedPortOf(target, 0) };
  }

  /** The peer may send from this pair too; `isUsual`: from this one only, though it is sent to another. Whether that is new. */
  noteSecondSource(peer: number, { address, port, socket }: Place, isUsual = false): boolean {
    const path = this.paths.get(peer);
    if (path === undefined) return false;
    const before = this.sendsFrom(peer, address, port, socket);
    if (before !== 'usually') path.secondSource = { address, port, socket, isUsual };
    return before === undefined;
  }

  /** Whether it has shown our nonce from there, while it is sent to another pair. */
  sendsFrom(
    peer: number,
    address: number,
    port: number,
    socket: SocketId,
  ): 'usually' | 'perhaps' | undefined {
    const also = this.paths.get(peer)?.secondSource;
    if (also?.address !== address || also.port !== port || also.socket !== socket) return undefined;
    return also.isUsual ? 'usually' : 'perhaps';
  }
}
