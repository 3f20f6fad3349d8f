import type { Subnet } from '../../core/address-policy.ts';
import {
  buildAddPortMapping,
  buildDeletePortMapping,
  buildGetExternalAddress,
  parseDescription,
  parseExternalAddress,
  parseIpv4,
  parseUpnpError,
} from '../../wire/index.ts';
import type { IgdService } from '../../wire/index.ts';
import type { PortMapping } from '../ports.ts';
import type { WayToGateway } from './gateway-socket.ts';
import { askHttp } from './http.ts';
import type { HttpAnswer } from './http.ts';
import { LIFETIME_SECONDS } from './nat-pmp.ts';
import type { MadeMapping, Protocol } from './protocol.ts';
import { search, urlAt } from './ssdp.ts';
import type { Searched } from './ssdp.ts';

/** WANIPConnection:1 section 2.4.16: somebody else has this port. */
const CONFLICT = 718;
/** RFC 6081 section 5.3.3 wants it for good; some gateways only for a while. E-41 */
const LEASES = [0, LIFETIME_SECONDS];

interface Control {
  readonly type: string;
  readonly url: URL;
}

/** UPnP Internet Gateway Devices. RFC 6081 section 5.3 */
export class Upnp implements Protocol {
  readonly name = 'upnp';
  private readonly way: WayToGateway;
  private readonly port: number;
  private readonly searched: Searched;
  private controls: readonly Control[] = [];

  constructor(way: WayToGateway, port: number, subnets: readonly Subnet[], signal: AbortSignal) {
    this.way = way;
    this.port = port;
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
    this.controls = await this.controlsIn((await asked) ?? (await ofGroup));
    return this.controls.length > 0;
  }

  async map(): Promise<PortMapping | undefined> {
    for (const control of this.controls) {
      const lifetimeMs = await this.add(control);
      if (lifetimeMs === undefined) continue;
      const { body = '' } = (await this.act(control, 'GetExternalIPAddress', buildGetExternalAddress)) ?? {};
      const address = parseIpv4(parseExternalAddress(body) ?? '');
      if (address !== undefined) {
        this.controls = [control];
        return { protocol: this.name, external: { address, port: this.port }, lifetimeMs };
      }
      await this.delete(control, this.port); // E-44
    }
    return undefined;
  }

  async release({ port }: MadeMapping): Promise<void> {
    for (const control of this.controls) await this.delete(control, port);
  }

  /** How long it holds. */
  private async add(control: Control): Promise<number | undefined> {
    for (const leaseSeconds of LEASES) {
      const { port } = this;
      const client = this.way.source;
      const answer = await this.act(control, 'AddPortMapping', (type) =>
        buildAddPortMapping(type, { port, client, leaseSeconds }),
      );
      if (answer?.status === 200) return leaseSeconds === 0 ? Infinity : leaseSeconds * 1000;
      if (answer === undefined || parseUpnpError(answer.body) === CONFLICT) return undefined; // E-42
    }
    return undefined;
  }

  /** E-52 */
  private async delete(control: Control, port: number): Promise<void> {
    await this.act(control, 'DeletePortMapping', (type) => buildDeletePortMapping(type, port));
  }

  private async controlsIn(description: URL | undefined): Promise<Control[]> {
    if (description === undefined) return [];
    const answer = await askHttp(description, this.way);
    if (answer?.status !== 200) return [];
    const host = parseIpv4(description.hostname)!;
    return parseDescription(answer.body).flatMap(({ type, controlUrl }: IgdService) => {
      const url = urlAt(controlUrl, host, description);
      return url === undefined ? [] : [{ type, url }];
    });
  }

  private act(
    { type, url }: Control,
    action: string,
    build: (type: string) => string,
  ): Promise<HttpAnswer | undefined> {
    return askHttp(url, this.way, {
      body: build(type),
      headers: { 'Content-Type': 'text/xml; charset="utf-8"', SOAPAction: `"${type}#${action}"` },
    });
  }
}
