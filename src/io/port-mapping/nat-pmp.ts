import {
  PORT_MAPPING_PORT,
  buildNatPmpAddressRequest,
  buildNatPmpMapRequest,
  parseNatPmpAnswer,
} from '../../wire/index.ts';
import type { Ipv4, NatPmpAnswer } from '../../wire/index.ts';
import type { MapAnswer } from '../ports.ts';
import { Epoch } from './epoch.ts';
import { askGateway, unlessSilent } from './gateway-socket.ts';
import type { Silent, WayToGateway } from './gateway-socket.ts';
import type { MadeMapping, Offer, Protocol } from './protocol.ts';

/** RFC 6886 section 3.3: recommended. */
export const LIFETIME_SECONDS = 7_200;
/** RFC 6886 section 3.5. */
const [UNSUPPORTED_VERSION, NOT_AUTHORIZED] = [1, 2];

/** RFC 6886. */
export class NatPmp implements Protocol {
  readonly name = 'nat-pmp';
  private readonly way: WayToGateway;
  private readonly port: number;
  private readonly epoch = new Epoch();
  private external: Ipv4 | undefined;
  private readonly answer: Promise<NatPmpAnswer | undefined>;

  constructor(way: WayToGateway, port: number, signal: AbortSignal) {
    this.way = way;
    this.port = port;
    this.answer = this.askAddress(signal).then(unlessSilent);
  }

  get asked(): Promise<unknown> {
    return this.answer;
  }

  get made(): MadeMapping {
    return { protocol: this.name, port: this.port };
  }

  async find(): Promise<boolean> {
    return (await this.answer)?.kind === 'external-address';
  }

  async offer(): Promise<Offer | undefined> {
    const answer = await this.answer;
    const by = this.way.gateway;
    if (answer?.kind === 'external-address') return { by, external: answer.address };
    if (answer?.kind !== 'refused' || answer.resultCode === UNSUPPORTED_VERSION) return undefined;
    return answer.resultCode === NOT_AUTHORIZED ? { by, isRefused: true } : { by, external: 0 };
  }

  /** RFC 6886 section 3.2.1: a different external address means a restart, too, and so does the first announcement. */
  hasForgotten(announcement: Uint8Array): boolean {
    const before = this.external;
    const answer = parseNatPmpAnswer(announcement);
    if (answer?.kind !== 'external-address') return false;
    return this.note(answer) !== true || answer.address !== before;
  }

  async map(): Promise<MapAnswer> {
    const { port } = this;
    const answer = await this.ask(buildNatPmpMapRequest(port, port, LIFETIME_SECONDS), (answer) =>
      answer.kind === 'refused' || (answer.kind === 'mapping' && answer.internalPort === port)
        ? answer
        : undefined,
    );
    if (answer === 'silent') return answer;
    if (answer?.kind !== 'mapping' || answer.lifetimeSeconds === 0) return undefined;
    const found = await this.askAddress();
    if (found === 'silent') return found;
    const address = found?.kind === 'external-address' ? found.address : 0; // E-44
    const external = { address, port: answer.externalPort };
    return { protocol: this.name, external, lifetimeMs: answer.lifetimeSeconds * 1000 };
  }

  /** RFC 6886 section 3.4. */
  async release({ port }: MadeMapping): Promise<boolean> {
    const answer = await this.ask(buildNatPmpMapRequest(port, 0, 0), (answer) =>
      answer.kind === 'external-address' ? undefined : answer,
    );
    return typeof answer === 'object';
  }

  private askAddress(signal?: AbortSignal): Promise<NatPmpAnswer | Silent | undefined> {
    const pick = (answer: NatPmpAnswer): NatPmpAnswer | undefined =>
      answer.kind === 'mapping' ? undefined : answer;
    return this.ask(buildNatPmpAddressRequest(), pick, signal);
  }

  private ask(
    request: Uint8Array,
    pick: (answer: NatPmpAnswer) => NatPmpAnswer | undefined,
    signal?: AbortSignal,
  ): Promise<NatPmpAnswer | Silent | undefined> {
    const read = (message: Uint8Array): NatPmpAnswer | undefined => {
      const answer = parseNatPmpAnswer(message);
      if (answer !== undefined) this.note(answer);
      return answer === undefined ? undefined : pick(answer);
    };
    return askGateway(this.way, PORT_MAPPING_PORT, request, read, signal);
  }

  /** Notes the epoch, with which later announcements are compared. */
  private note(answer: NatPmpAnswer): boolean | undefined {
    if (answer.kind === 'refused') return undefined;
    if (answer.kind === 'external-address') this.external = answer.address;
    return this.epoch.continues(answer.epochSeconds, performance.now());
  }
}
