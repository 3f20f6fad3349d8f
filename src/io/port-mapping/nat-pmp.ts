import {
  PORT_MAPPING_PORT,
  buildNatPmpAddressRequest,
  buildNatPmpMapRequest,
  parseNatPmpAnswer,
} from '../../wire/index.ts';
import type { Ipv4, NatPmpAnswer } from '../../wire/index.ts';
import type { PortMapping } from '../ports.ts';
import { askGateway } from './gateway-socket.ts';
import type { WayToGateway } from './gateway-socket.ts';
import type { MadeMapping, Protocol } from './protocol.ts';

/** RFC 6886 section 3.3: recommended. */
export const LIFETIME_SECONDS = 7_200;

/** RFC 6886. */
export class NatPmp implements Protocol {
  readonly name = 'nat-pmp';
  private readonly way: WayToGateway;
  private readonly port: number;
  private readonly address: Promise<Ipv4 | undefined>;

  constructor(way: WayToGateway, port: number, signal: AbortSignal) {
    this.way = way;
    this.port = port;
    this.address = this.externalAddress(signal);
  }

  get asked(): Promise<unknown> {
    return this.address;
  }

  get made(): MadeMapping {
    return { protocol: this.name, port: this.port };
  }

  async find(): Promise<boolean> {
    return (await this.address) !== undefined;
  }

  async map(): Promise<PortMapping | undefined> {
    const { port } = this;
    const answer = await this.ask(buildNatPmpMapRequest(port, port, LIFETIME_SECONDS), (answer) =>
      answer.kind === 'refused' || (answer.kind === 'mapping' && answer.internalPort === port)
        ? answer
        : undefined,
    );
    if (answer?.kind !== 'mapping' || answer.lifetimeSeconds === 0) return undefined;
    const address = await this.externalAddress();
    if (address === undefined) {
      await this.release(this.made);
      return undefined;
    }
    const external = { address, port: answer.externalPort };
    return { protocol: this.name, external, lifetimeMs: answer.lifetimeSeconds * 1000 };
  }

  /** RFC 6886 section 3.4. */
  async release({ port }: MadeMapping): Promise<void> {
    await this.ask(buildNatPmpMapRequest(port, 0, 0), (answer) =>
      answer.kind === 'external-address' ? undefined : answer,
    );
  }

  private async externalAddress(signal?: AbortSignal): Promise<Ipv4 | undefined> {
    const pick = (answer: NatPmpAnswer): NatPmpAnswer | undefined =>
      answer.kind === 'mapping' ? undefined : answer;
    const answer = await this.ask(buildNatPmpAddressRequest(), pick, signal);
    return answer?.kind === 'external-address' ? answer.address : undefined;
  }

  private ask(
    request: Uint8Array,
    pick: (answer: NatPmpAnswer) => NatPmpAnswer | undefined,
    signal?: AbortSignal,
  ): Promise<NatPmpAnswer | undefined> {
    const read = (message: Uint8Array): NatPmpAnswer | undefined => {
      const answer = parseNatPmpAnswer(message);
      return answer === undefined ? undefined : pick(answer);
    };
    return askGateway(this.way, PORT_MAPPING_PORT, request, read, signal);
  }
}
