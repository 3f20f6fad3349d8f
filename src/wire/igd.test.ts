import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  buildAddPortMapping,
  buildDeletePortMapping,
  buildSearch,
  parseDescription,
  parseExternalAddress,
  parseIpv4,
  parseNotice,
  parseSearchAnswer,
  parseUpnpError,
} from './index.ts';

const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1';
const CLIENT = parseIpv4('192.168.1.2')!;

describe('SSDP', () => {
  const answer = (lines: readonly string[]) => `HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\n\r\n`;
  const st = 'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1';

  test('a search asks for gateways', () => {
    const lines = buildSearch('239.255.255.250').split('\r\n');
    expect(lines[0]).toBe('M-SEARCH * HTTP/1.1');
    expect(lines).toContain('HOST: 239.255.255.250:1900');
    expect(lines).toContain('MAN: "ssdp:discover"');
    expect(lines).toContain(st);
    expect(lines.slice(-2)).toEqual(['', '']);
  });

  test('an answer has the URL of the description; case does not matter', () => {
    const location = 'http://192.168.1.1:5000/rootDesc.xml';
    expect(parseSearchAnswer(answer([st, `LOCATION: ${location}`]))).toBe(location);
    expect(parseSearchAnswer(answer([`location:${location}`, st.toLowerCase()]))).toBe(location);
  });

  test.for([
    ['an announcement', `NOTIFY * HTTP/1.1\r\n${st}\r\nLOCATION: http://192.168.1.1/\r\n\r\n`],
    ['a refusal', `HTTP/1.1 404 Not Found\r\n${st}\r\nLOCATION: http://192.168.1.1/\r\n\r\n`],
    ['another kind of device', answer(['ST: upnp:rootdevice', 'LOCATION: http://192.168.1.1/'])],
    ['no location', answer([st])],
    ['a location of another kind', answer([st, 'LOCATION: file:///etc/passwd'])],
    ['an endless location', answer([st, `LOCATION: http://${'a'.repeat(60_000)}`])],
  ] as const)('%s is not a search answer', ([, text]) => {
    expect(parseSearchAnswer(text)).toBeUndefined();
  });
});

describe('notices', () => {
  const notice = (...lines: string[]) => `NOTIFY * HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
  const nt = 'NT: urn:schemas-upnp-org:device:InternetGatewayDevice:2';

  test('a notice says whether the gateway is alive, and its boot ID', () => {
    expect(parseNotice(notice(nt, 'NTS: ssdp:alive', 'BOOTID.UPNP.ORG: 1795674692'))).toEqual({
      isAlive: true,
      bootId: 1_795_674_692,
    });
    expect(parseNotice(notice('nts:SSDP:ALIVE', nt.toLowerCase()))).toEqual({
      isAlive: true,
      bootId: undefined,
    });
    expect(parseNotice(notice(nt, 'NTS: ssdp:byebye'))).toMatchObject({ isAlive: false });
  });

  test.for([
    ['a notice of another kind of device', notice('NT: upnp:rootdevice', 'NTS: ssdp:alive')],
    ['an update', notice(nt, 'NTS: ssdp:update')],
    ['a search', `M-SEARCH * HTTP/1.1\r\n${nt}\r\nNTS: ssdp:alive\r\n\r\n`],
    ['a notice without a kind', notice(nt)],
  ] as const)('%s is not accepted', ([, text]) => {
    expect(parseNotice(text)).toBeUndefined();
  });
});

describe('descriptions', () => {
  const service = (name: string, url: string) =>
    `<service><serviceType>urn:schemas-upnp-org:service:${name}</serviceType><controlURL>${url}</controlURL></service>`;

  test('the services that map ports, the most preferred first', () => {
    const xml = [
      service('Layer3Forwarding:1', '/l3f'),
      service('WANPPPConnection:1', '/ppp'),
      service('WANIPConnection:1', '/ip1?a&amp;b'),
      service('WANIPConnection:2', '/ip2'),
    ].join('\n');
    expect(parseDescription(xml).map(({ controlUrl }) => controlUrl)).toEqual(['/ip2', '/ip1?a&b', '/ppp']);
  });

  test('invalid, missing or too long entries are left out', () => {
    expect(parseDescription('<service><serviceType>x')).toEqual([]);
    expect(parseDescription(service('WANIPConnection:1', '/').replace('controlURL', 'control'))).toEqual([]);
    expect(parseDescription(service('WANIPConnection:1', 'a'.repeat(600)))).toEqual([]);
    expect(parseDescription(service('WANIPConnection:1', '/').repeat(5_000)).length).toBeLessThan(64);
  });
});

describe('actions', () => {
  test('E-41: AddPortMapping, with its arguments in the order of the service', () => {
    const xml = buildAddPortMapping(SERVICE, { port: 40_000, client: CLIENT, leaseSeconds: 0 });
    expect(xml).toContain(
      `<s:Body><u:AddPortMapping xmlns:u="${SERVICE}"><NewRemoteHost></NewRemoteHost>` +
        '<NewExternalPort>40000</NewExternalPort><NewProtocol>UDP</NewProtocol>' +
        '<NewInternalPort>40000</NewInternalPort><NewInternalClient>192.168.1.2</NewInternalClient>' +
        '<NewEnabled>1</NewEnabled><NewPortMappingDescription>TEREDO</NewPortMappingDescription>' +
        '<NewLeaseDuration>0</NewLeaseDuration></u:AddPortMapping></s:Body>',
    );
  });

  test('E-52: DeletePortMapping', () => {
    expect(buildDeletePortMapping(SERVICE, 40_000)).toContain(
      '<NewRemoteHost></NewRemoteHost><NewExternalPort>40000</NewExternalPort><NewProtocol>UDP</NewProtocol>',
    );
  });

  test('the external address, with or without a prefix or attributes', () => {
    const value = 'NewExternalIPAddress';
    expect(parseExternalAddress(`<${value}>192.0.2.1</${value}>`)).toBe('192.0.2.1');
    expect(parseExternalAddress(`<a:${value} x="y"> 192.0.2.1 </a:${value}>`)).toBe('192.0.2.1');
    expect(parseExternalAddress(`<${value}>`)).toBeUndefined();
  });

  test('the error code of a refusal', () => {
    expect(parseUpnpError('<UPnPError><errorCode>718</errorCode></UPnPError>')).toBe(718);
    expect(parseUpnpError('<errorCode>seven</errorCode>')).toBeUndefined();
    expect(parseUpnpError('')).toBeUndefined();
  });

  test('64 KB of any text are read without delay', () => {
    const hostile = ['<', '<service>', '<errorCode ', '&', ' '].map((text) =>
      text.repeat(65_536 / text.length),
    );
    for (const text of hostile) {
      expect(parseDescription(text)).toEqual([]);
      expect(parseUpnpError(text)).toBeUndefined();
      expect(parseSearchAnswer(text)).toBeUndefined();
      expect(parseNotice(`NOTIFY * HTTP/1.1${text}`)).toBeUndefined();
    }
    fc.assert(fc.property(fc.string(), (text) => void parseDescription(text)));
  });
});
