import type { QualificationReason } from '../core/events.ts';
import type { PortFactory } from '../io/port-factory.ts';
import { Client } from '../runtime/client.ts';
import type { ServerSettings } from '../runtime/server.ts';
import { formatIpv4 } from '../wire/index.ts';
import { explainReason } from './explain.ts';

/**
 * Finds out once whether the addresses that a server announces lead to it: asks them as a client does. Not every NAT lets a host reach its
 * own address outside, so that silence proves nothing.
 */
export class AnnouncedCheck {
  private readonly settings: ServerSettings;
  private readonly say: (line: string) => void;
  private readonly ports: PortFactory;
  private client: Client | undefined;

  constructor(settings: ServerSettings, say: (line: string) => void, ports: PortFactory) {
    this.settings = settings;
    this.say = say;
    this.ports = ports;
  }

  /** Begins where something is announced, and a client without a key would be answered. */
  start(): void {
    const { address, announce, announceSecondary, secondary, keys, allowPrivate } = this.settings;
    if (announce === undefined || keys !== undefined) return;
    const client = new Client(
      {
        servers: [{ primary: announce, secondary: announceSecondary ?? secondary }],
        bind: address,
        allowPrivate,
        localDiscovery: false,
        portMapping: 'off',
      },
      this.ports,
    );
    this.client = client;
    client.on('state', (state, reason) => {
      if (state === 'qualified') this.conclude(undefined);
      else if (state === 'offline' && reason !== undefined && reason !== 'stopped') this.conclude(reason);
    });
    client.start().catch((error: unknown) => {
      this.say(`--announce could not be checked: ${(error as Error).message}`);
    });
  }

  async close(): Promise<void> {
    const { client } = this;
    this.client = undefined;
    await client?.close();
  }

  private conclude(reason: QualificationReason | undefined): void {
    if (this.client === undefined) return;
    const { announce, announceSecondary } = this.settings;
    const text = [announce, announceSecondary].flatMap((one) => (one === undefined ? [] : [formatIpv4(one)]));
    const [where, lead] = [text.join(' and '), text.length > 1 ? 'lead' : 'leads'];
    if (reason === undefined) this.say(`announced: ${where} ${lead} to this server`);
    else if (reason === 'no-answer')
      this.say(
        `announced: this host cannot tell whether ${where} ${lead} to it: its NAT may not let it ask there`,
      );
    else this.say(`warning: announced: ${where}: ${explainReason(reason)}`);
    void this.close();
  }
}
