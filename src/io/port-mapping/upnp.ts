import type { Subnet } from '../../core/address-policy.ts';
import {
  buildAddPortMapping,
  buildDeletePortMapping,
  buildGetExternalAddress,
  parseDescription,
  parseExternalAddress,
  parseIpv4,
  parseNotice,
  parseUpnpError,
} from '../../wire/index.ts';
import type { IgdService, Ipv4 } from '../../wire/index.ts';
import type { MapAnswer } from '../ports.ts';
import type { Silent, WayToGateway } from './gateway-socket.ts';
import { unlessSilent } from './gateway-socket.ts';
import { askHttp } from './http.ts';
import type { HttpAnswer } from './http.ts';
import { LIFETIME_SECONDS } from './nat-pmp.ts';
import type { MadeMapping, Offer, Protocol } from './protocol.ts';
import { search, urlBeside } from './ssdp.ts';
import type { Searched } from './ssdp.ts';
import { isUsable } from './usable.ts';

/** WANIPConnection:1 section 2.4.16: another host has this port. */
const CONFLICT = 718;
/** RFC 6081 section 5.3.3 wants a permanent lease; some gateways grant only a finite one. E-41 */
const LEASES = [0, LIFETIME_SECONDS];

/**
 * The most services asked of one description. A gateway has one, or one for each of its links. The limit keeps a long description from
 * taking hours.
 */
const CONTROLS_MOST = 4;

interface Control {
  readonly type: string;
  readonly url: URL;
}

/** UPnP Internet Gateway Devices. RFC 6081 section 5.3 */
export class Upnp implements Protocol {
  readonly name = 'upnp';
  private readonly way: WayToGateway;
  private readonly port: number;
  private readonly subnets: readonly Subnet[];
  private readonly signal: AbortSignal;
  private searched: Searched;
  private host: Ipv4 | undefined;
  private bootId: number | undefined;
  private hasSaidGoodbye = false;
  private controls: readonly Control[] = [];
  private wasSilent = false;

  constructor(way: WayToGateway, port: number, subnets: readonly Subnet[], signal: AbortSignal) {
    this.way = way;
    this.port = port;
    this.subnets = subnets;
    this.signal = signal;
    this.searched = search(way, subnets, signal);
  }

  get asked(): Promise<unknown> {
    return this.searched.asked;
  }

  get made(): MadeMapping {
    return { protocol: this.name, port: this.port };
  }

  async find(): Promise<boolean> {
    const { asked, ofGroup } = this.searched;
    const found = (await asked) ?? (await ofGroup);
    const controls = found === undefined ? [] : await this.controlsIn(found.url);
    if (found === undefined || controls.length === 0) return false;
    this.bootId = found.bootId;
    this.host = parseIpv4(found.url.hostname);
    this.controls = controls;
    return true;
  }

  async offer(): Promise<Offer | undefined> {
    if (!(await this.find())) return undefined;
    const offer: Offer = { by: this.host! };
    let hasAnswered = false;
    for (const control of this.controls) {
      if (this.signal.aborted) break;
      const answer = await this.askAddress(control, this.signal);
      const external = addressIn(answer);
      if (external !== undefined) return { ...offer, external };
      hasAnswered ||= typeof answer === 'object';
    }
    return hasAnswered ? { ...offer, external: 0 } : offer; // no answer does not mean that there is no address
  }

  /** UPnP Device Architecture 1.1 section 1.2.2: a different boot identifier. A gateway without one may say goodbye first. */
  hasForgotten(announcement: Uint8Array): boolean {
    const notice = parseNotice(Buffer.from(announcement).toString('latin1'));
    if (notice === undefined) return false;
    const { bootId, hasSaidGoodbye } = this;
    this.hasSaidGoodbye = !notice.isAlive;
    if (!notice.isAlive) return false;
    this.bootId = notice.bootId ?? bootId;
    return hasSaidGoodbye || (bootId !== undefined && this.bootId !== bootId);
  }

  async map(): Promise<MapAnswer> {
    if (this.wasSilent) await this.searchAgain();
    for (const control of this.controls) {
      if (this.signal.aborted) return undefined;
      const mapping = await this.mapAt(control);
      this.wasSilent = mapping === 'silent';
      if (mapping === undefined) continue;
      this.controls = [control]; // no other service has a mapping
      return mapping;
    }
    return undefined;
  }

  async release({ port }: MadeMapping): Promise<boolean> {
    const answers = await Promise.all(this.controls.map((control) => this.delete(control, port)));
    return answers.every((isAnswered) => isAnswered);
  }

  /** A gateway that has restarted may listen at another port than before. */
  private async searchAgain(): Promise<void> {
    this.searched = search(this.way, this.subnets, this.signal);
    await this.find();
  }

  /** Silent: a mapping may exist. */
  private async mapAt(control: Control): Promise<MapAnswer> {
    const lifetimeMs = await this.add(control);
    if (lifetimeMs === undefined || lifetimeMs === 'silent') return lifetimeMs;
    const answer = this.signal.aborted ? undefined : await this.askAddress(control);
    if (answer === 'silent') return answer;
    const external = { address: addressIn(answer) ?? 0, port: this.port };
    if (isUsable(external)) return { protocol: this.name, external, lifetimeMs };
    return (await this.delete(control, this.port)) ? undefined : 'silent'; // E-44
  }

  private askAddress(control: Control, signal?: AbortSignal): Promise<HttpAnswer | Silent | undefined> {
    return this.act(control, 'GetExternalIPAddress', buildGetExternalAddress, signal);
  }

  /** The lifetime of the mapping. */
  private async add(control: Control): Promise<number | Silent | undefined> {
    for (const leaseSeconds of LEASES) {
      if (this.signal.aborted) return undefined;
      const { port } = this;
      const client = this.way.source;
      const answer = await this.act(control, 'AddPortMapping', (type) =>
        buildAddPortMapping(type, { port, client, leaseSeconds }),
      );
      if (answer === 'silent') return answer;
      if (answer?.status === 200) return leaseSeconds === 0 ? Infinity : leaseSeconds * 1000;
      if (answer === undefined || parseUpnpError(answer.body) === CONFLICT) return undefined; // E-42
    }
    return undefined;
  }

  /** Whether an answer came. E-52 */
  private async delete(control: Control, port: number): Promise<boolean> {
    const build = (type: string): string => buildDeletePortMapping(type, port);
    return typeof (await this.act(control, 'DeletePortMapping', build)) === 'object';
  }

  private async controlsIn(description: URL): Promise<Control[]> {
    const answer = unlessSilent(await askHttp(description, this.way, { signal: this.signal }));
    if (answer?.status !== 200) return [];
    const controls = parseDescription(answer.body).flatMap(({ type, controlUrl }: IgdService) => {
      const url = urlBeside(controlUrl, description);
      return url === undefined ? [] : [{ type, url }];
    });
    return controls.slice(0, CONTROLS_MOST);
  }

  private act(
    { type, url }: Control,
    action: string,
    build: (type: string) => string,
    signal?: AbortSignal,
  ): Promise<HttpAnswer | Silent | undefined> {
    const headers = { 'Content-Type': 'text/xml; charset="utf-8"', SOAPAction: `"${type}#${action}"` };
    return askHttp(url, this.way, { post: { body: build(type), headers }, signal });
  }
}

function addressIn(answer: HttpAnswer | Silent | undefined): Ipv4 | undefined {
  return parseIpv4(parseExternalAddress(unlessSilent(answer)?.body ?? '') ?? '');
}
