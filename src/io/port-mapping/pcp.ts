import { randomBytes } from 'node:crypto';
import {
  PCP_NONCE_LENGTH,
  PORT_MAPPING_PORT,
  buildPcpAnnounce,
  buildPcpMapRequest,
  fromHex,
  parsePcpAnnounceAnswer,
  parsePcpMapAnswer,
  toHex,
} from '../../wire/index.ts';
import type { Endpoint, PcpAnswer, PcpMapRequest } from '../../wire/index.ts';
import type { MapAnswer } from '../ports.ts';
import { Epoch } from './epoch.ts';
import { askGateway, unlessSilent } from './gateway-socket.ts';
import type { Silent, WayToGateway } from './gateway-socket.ts';
import { LIFETIME_SECONDS } from './nat-pmp.ts';
import type { MadeMapping, Offer, Protocol } from './protocol.ts';

/** RFC 6887 section 7.4: the server knows no version that this client knows. It cannot be used. */
const [UNSUPP_VERSION, NOT_AUTHORIZED] = [1, 2];
const NOWHERE: Endpoint = { address: 0, port: 0 };

/** RFC 6887. */
export class Pcp implements Protocol {
  readonly name = 'pcp';
  readonly asked: Promise<PcpAnswer | undefined>;
  private readonly way: WayToGateway;
  private readonly port: number;
  private readonly epoch = new Epoch();
  private readonly nonce: Uint8Array = randomBytes(PCP_NONCE_LENGTH);
  /** Renewals ask for the external port that was given. RFC 6887 section 11.3.1 */
  private external: Endpoint;

  constructor(way: WayToGateway, port: number, signal: AbortSignal) {
    this.way = way;
    this.port = port;
    this.external = { address: 0, port };
    const read = (message: Uint8Array): PcpAnswer | undefined => this.note(parsePcpAnnounceAnswer(message));
    this.asked = askGateway(way, PORT_MAPPING_PORT, buildPcpAnnounce(way.source), read, signal).then(
      unlessSilent,
    );
  }

  get made(): MadeMapping {
    return { protocol: this.name, port: this.port, nonce: toHex(this.nonce) };
  }

  async find(): Promise<boolean> {
    const answer = await this.asked;
    return answer !== undefined && !(answer.kind === 'refused' && answer.resultCode === UNSUPP_VERSION);
  }

  async offer(): Promise<Offer | undefined> {
    if (!(await this.find())) return undefined;
    const answer = await this.asked;
    const isRefused = answer?.kind === 'refused' && answer.resultCode === NOT_AUTHORIZED;
    return { by: this.way.gateway, ...(isRefused ? { isRefused } : {}) };
  }

  /** RFC 6887 section 14.1. The first announcement of a server means a restart: earlier mappings were made without it. */
  hasForgotten(announcement: Uint8Array): boolean {
    const answer = parsePcpAnnounceAnswer(announcement);
    return (
      answer?.kind === 'announce' && this.epoch.continues(answer.epochSeconds, performance.now()) !== true
    );
  }

  async map(): Promise<MapAnswer> {
    const answer = await this.ask(this.port, this.nonce, this.external, LIFETIME_SECONDS);
    if (answer === 'silent') return answer;
    if (answer?.kind !== 'mapping' || answer.lifetimeSeconds === 0) return undefined;
    this.external = answer.external;
    return {
      protocol: this.name,
      external: answer.external,
      lifetimeMs: answer.lifetimeSeconds * 1000,
    };
  }

  /** RFC 6887 section 15: with the nonce of the request that made the mapping. */
  async release({ port, nonce = '' }: MadeMapping): Promise<boolean> {
    const bytes = fromHex(nonce);
    if (bytes?.length !== PCP_NONCE_LENGTH) return true; // without the nonce it cannot be released
    return typeof (await this.ask(port, bytes, NOWHERE, 0)) === 'object';
  }

  private ask(
    internalPort: number,
    nonce: Uint8Array,
    external: Endpoint,
    lifetimeSeconds: number,
  ): Promise<PcpAnswer | Silent | undefined> {
    const client = this.way.source;
    const request: PcpMapRequest = { nonce, client, internalPort, external, lifetimeSeconds };
    return askGateway(this.way, PORT_MAPPING_PORT, buildPcpMapRequest(request), (message) =>
      this.note(parsePcpMapAnswer(message, request)),
    );
  }

  /** Notes the epoch, with which later announcements are compared. */
  private note(answer: PcpAnswer | undefined): PcpAnswer | undefined {
    if (answer !== undefined && answer.kind !== 'refused')
      this.epoch.continues(answer.epochSeconds, performance.now());
    return answer;
  }
}
