import { formatIpv4 } from './ipv4.ts';
import type { Ipv4 } from './ipv4.ts';

/** UPnP Device Architecture section 1.3.2. */
export const SSDP_PORT = 1900;
export const SSDP_GROUP = 0xeffffffa; // 239.255.255.250

/** The services that map ports, the most preferred first. */
const SERVICES = ['WANIPConnection:2', 'WANIPConnection:1', 'WANPPPConnection:1'].map(
  (name) => `urn:schemas-upnp-org:service:${name}`,
);
/** The search target. Gateways of version 2 answer to version 1, too. */
const SEARCHED = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1';
/** Octets of the longest text field of a gateway that is accepted. */
const TEXT_MOST = 512;

/** A service of a gateway. Its control URL may be relative to the URL of the description. */
export interface IgdService {
  readonly type: string;
  readonly controlUrl: string;
}

export interface PortMappingArguments {
  readonly port: number;
  readonly client: Ipv4;
  readonly leaseSeconds: number;
}

/** UPnP Device Architecture section 1.3.2. `host`: the multicast group, or the address of one gateway. */
export function buildSearch(host: string): string {
  const lines = [
    'M-SEARCH * HTTP/1.1',
    `HOST: ${host}:${SSDP_PORT}`,
    'MAN: "ssdp:discover"',
    'MX: 1',
    `ST: ${SEARCHED}`,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** The URL of the description of the gateway that has answered; undefined if the text is not an answer of a gateway. */
export function parseSearchAnswer(text: string): string | undefined {
  if (!/^HTTP\/1\.[01] 200 /.test(text)) return undefined;
  if (!/^ST:[ \t]{0,8}urn:schemas-upnp-org:device:InternetGatewayDevice:\d/im.test(text)) return undefined;
  return /^LOCATION:[ \t]{0,8}(http:\/\/[^\s]{1,512})[ \t]{0,8}\r?$/im.exec(text)?.[1];
}

/** A notice that a gateway multicasts without being asked. */
export interface IgdNotice {
  /** False: the gateway says goodbye (`ssdp:byebye`). */
  readonly isAlive: boolean;
  readonly bootId: number | undefined;
}

/** UPnP Device Architecture 1.1 sections 1.2.2, 1.2.3; undefined if the text is not a notice of a gateway. */
export function parseNotice(text: string): IgdNotice | undefined {
  if (!text.startsWith('NOTIFY * HTTP/1.')) return undefined;
  if (!/^NT:[ \t]{0,8}urn:schemas-upnp-org:device:InternetGatewayDevice:\d/im.test(text)) return undefined;
  const kind = /^NTS:[ \t]{0,8}ssdp:(alive|byebye)[ \t]{0,8}\r?$/im.exec(text)?.[1]?.toLowerCase();
  return kind === undefined ? undefined : { isAlive: kind === 'alive', bootId: parseBootId(text) };
}

/** BOOTID: changes with each restart of the gateway; undefined if the gateway does not send it. UPnP Device Architecture 1.1 section 1.2.2 */
export function parseBootId(text: string): number | undefined {
  const digits = /^BOOTID\.UPNP\.ORG:[ \t]{0,8}(\d{1,10})[ \t]{0,8}\r?$/im.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The services of a description that map ports, the most preferred first. */
export function parseDescription(xml: string): IgdService[] {
  const found: IgdService[] = [];
  for (const part of xml.split('<service>').slice(1, 33)) {
    const type = textOf(part, 'serviceType');
    const controlUrl = textOf(part, 'controlURL');
    if (type !== undefined && controlUrl !== undefined && SERVICES.includes(type))
      found.push({ type, controlUrl });
  }
  return found.sort((a, b) => SERVICES.indexOf(a.type) - SERVICES.indexOf(b.type));
}

/** WANIPConnection:1 section 2.4.16. E-41 */
export function buildAddPortMapping(
  type: string,
  { port, client, leaseSeconds }: PortMappingArguments,
): string {
  return envelope(type, 'AddPortMapping', {
    NewRemoteHost: '',
    NewExternalPort: String(port),
    NewProtocol: 'UDP',
    NewInternalPort: String(port),
    NewInternalClient: formatIpv4(client),
    NewEnabled: '1',
    NewPortMappingDescription: 'TEREDO',
    NewLeaseDuration: String(leaseSeconds),
  });
}

/** WANIPConnection:1 section 2.4.17. E-52 */
export function buildDeletePortMapping(type: string, port: number): string {
  return envelope(type, 'DeletePortMapping', {
    NewRemoteHost: '',
    NewExternalPort: String(port),
    NewProtocol: 'UDP',
  });
}

/** WANIPConnection:1 section 2.4.18. E-43 */
export function buildGetExternalAddress(type: string): string {
  return envelope(type, 'GetExternalIPAddress', {});
}

export function parseExternalAddress(xml: string): string | undefined {
  return textOf(xml, 'NewExternalIPAddress');
}

/** The UPnP error code of a refusal: 718, 725 ... */
export function parseUpnpError(xml: string): number | undefined {
  const text = textOf(xml, 'errorCode');
  return text !== undefined && /^\d{1,4}$/.test(text) ? Number(text) : undefined;
}

function envelope(type: string, action: string, values: Readonly<Record<string, string>>): string {
  const body = Object.entries(values).map(([name, value]) => `<${name}>${value}</${name}>`);
  return (
    '<?xml version="1.0"?>\r\n' +
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">' +
    `<s:Body><u:${action} xmlns:u="${type}">${body.join('')}</u:${action}></s:Body></s:Envelope>\r\n`
  );
}

/** The text of the first element with this name. No other XML parsing is needed. */
function textOf(xml: string, name: string): string | undefined {
  const start = new RegExp(`<(?:[A-Za-z]{1,16}:)?${name}(?:\\s[^<>]{0,256})?>`).exec(xml);
  if (start === null) return undefined;
  const from = start.index + start[0].length;
  const end = xml.indexOf('<', from);
  if (end < 0 || end - from > TEXT_MOST) return undefined;
  return xml.slice(from, end).trim().replaceAll('&amp;', '&');
}
