import type { GuestNetwork } from '../../io/guest/guest-network.ts';
import type { ForwardRule } from '../../runtime/settings/forward-rule.ts';
import { Admission } from '../proxy/admission.ts';
import { TcpForward } from './tcp-forward.ts';
import { UdpForward } from './udp-forward.ts';

/** Connections, and hosts and ports that exchange datagrams, of all rules at the same time. */
const [MOST_CONNECTIONS, MOST_FLOWS] = [1_024, 1_024];
/** Flows whose peer has gone on after an answer. The others change hands, so that forged datagrams do not take the places of newcomers for long. */
const MOST_CONFIRMED_FLOWS = 768;
/** A flow whose peer is silent for so long makes room for a newcomer. */
const SILENT_MS = 10_000;

/** Ports of the Teredo address that lead to services. */
export class Forwards {
  private readonly open: { close(): void }[] = [];

  /** Throws a SystemCallError where a port cannot be opened. */
  constructor(rules: readonly ForwardRule[], network: Pick<GuestNetwork, 'listen' | 'openUdp'>) {
    const [connections, flows] = [
      new Admission({ most: MOST_CONNECTIONS }),
      new Admission({ most: MOST_FLOWS, mostConfirmed: MOST_CONFIRMED_FLOWS, silentMs: SILENT_MS }),
    ];
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
