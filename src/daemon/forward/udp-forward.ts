import type { RemoteInfo, Socket } from 'node:dgram';
import type { GuestNetwork } from '../../io/guest/guest-network.ts';
import type { ForwardRule } from '../../runtime/settings/forward-rule.ts';
import { parseIpv6 } from '../../wire/index.ts';
import type { Admission } from '../proxy/admission.ts';
import { sourceOf } from '../proxy/source-path.ts';
import { withoutZone } from '../proxy/ends.ts';
import { ServiceAddresses } from './service-addresses.ts';
import { MOST_QUEUED, UdpFlow } from './udp-flow.ts';

const ANY = new Uint8Array(16);

/** A UDP port of the Teredo address. */
export class UdpForward {
  private readonly rule: ForwardRule;
  private readonly addresses: ServiceAddresses;
  private readonly places: Admission;
  private readonly socket: Socket;
  private readonly flows = new Map<string, UdpFlow>();

  /** Throws a SystemCallError. */
  constructor(rule: ForwardRule, network: Pick<GuestNetwork, 'openUdp'>, places: Admission) {
    this.rule = rule;
    this.addresses = new ServiceAddresses(rule.host);
    this.places = places;
    const socket = network.openUdp({ address: ANY, port: rule.port });
    if (socket === undefined) throw new Error('no UDP socket is left');
    this.socket = socket.on('error', () => {}); // a shortage, which passes
    socket.on('message', (octets, from) => this.take(octets, from));
  }

  close(): void {
    for (const flow of this.flows.values()) flow.end();
    this.socket.close();
  }

  private take(octets: Uint8Array, from: RemoteInfo): void {
    const key = `${from.address} ${from.port}`;
    const flow = this.flows.get(key) ?? this.begin(key, from);
    flow?.send(octets);
  }

  /** Undefined: there is no place for this peer. */
  private begin(key: string, { address, port }: RemoteInfo): UdpFlow | undefined {
    const source = sourceOf(parseIpv6(withoutZone(address)) ?? ANY);
    const place = this.places.admit(source, () => flow.end());
    if (place === undefined) return undefined;
    const answer = (octets: Uint8Array): void => {
      if (this.socket.getSendQueueSize() <= MOST_QUEUED) this.socket.send(octets, port, address, () => {});
    };
    const onEnd = (): void => {
      this.flows.delete(key);
      place.leave();
    };
    const service = { addresses: this.addresses, port: this.rule.hostPort };
    const flow = new UdpFlow(service, { onAnswer: answer, onEnd, onConfirmed: place.confirm });
    this.flows.set(key, flow);
    return flow;
  }
}
