import type { GuestNetwork } from '../../io/guest/guest-network.ts';
import type { ForwardRule } from '../../runtime/settings/forward-rule.ts';
import { Admission } from '../proxy/admission.ts';
import { TcpForward } from './tcp-forward.ts';
import { UdpForward } from './udp-forward.ts';

/** Connections, and hosts and ports that exchange datagrams, of all rules at the same time. */
const [MOST_CONNECTIONS, MOST_FLOWS] = [1_024, 1_024];

/** Ports of the Teredo address that lead to services. */
export class Forwards {
  private readonly open: { close(): void }[] = [];

  /** Throws a SystemCallError where a port cannot be opened. */
  constructor(rules: readonly ForwardRule[], network: Pick<GuestNetwork, 'listen' | 'openUdp'>) {
    const [connections, flows] = [new Admission(MOST_CONNECTIONS), new Admission(MOST_FLOWS)];
    try {
      for (const rule of rules)
        this.open.push(
          rule.protocol === 'tcp'
            ? new TcpForward(rule, network, connections)
            : new UdpForward(rule, network, flows),
        );
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    for (const forward of this.open) forward.close();
  }
}
