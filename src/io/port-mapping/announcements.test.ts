/** Gateways that announce a restart. RFC 6886 section 3.2.1, RFC 6887 section 8.5 */
import { describe, expect, test } from 'vitest';
import { FakeGateway } from '../../../test/support/fake-gateway.ts';
import { PORT, bytesOf, NAT_PMP_ADDRESS, natPmp, igd } from '../../../test/support/gateway-answers.ts';
import { parseIpv4 } from '../../wire/index.ts';
import { KernelPortMapper } from './kernel-port-mapper.ts';
import { MappingFile } from './mapping-file.ts';
import { NatPmp } from './nat-pmp.ts';
import { Pcp } from './pcp.ts';
import { Upnp } from './upnp.ts';

describe('a gateway that has restarted', () => {
  const signal = new AbortController().signal;
  const way = { gateway: parseIpv4('127.0.0.1')!, source: parseIpv4('127.0.0.2')! };
  const pcp = (epoch: string) => bytesOf(`02 80 00 00 00000000 ${epoch} 000000000000000000000000`);
  const natPmpSays = (epoch: string, address = 'c0000201') => bytesOf(`00 80 0000 ${epoch} ${address}`);
  const notice = (kind: string, bootId?: number) =>
    Buffer.from(
      `NOTIFY * HTTP/1.1\r\nNT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nNTS: ssdp:${kind}\r\n` +
        (bootId === undefined ? '\r\n' : `BOOTID.UPNP.ORG: ${bootId}\r\n\r\n`),
    );

  test('PCP: the epoch does not continue; the first announcement counts as a restart', () => {
    const protocol = new Pcp(way, PORT, signal);
    expect(protocol.hasForgotten(pcp('00001000'))).toBe(true);
    expect(protocol.hasForgotten(pcp('00001000'))).toBe(false);
    expect(protocol.hasForgotten(pcp('00000000'))).toBe(true);
    expect(protocol.hasForgotten(pcp('00000000'))).toBe(false);
    const refused = pcp('00001000');
    refused[3] = 1;
    for (const other of [refused, natPmpSays('00001000'), notice('alive', 1), Buffer.alloc(0)])
      expect(protocol.hasForgotten(other)).toBe(false);
  });

  test('NAT-PMP: the same, or a different external address', () => {
    const protocol = new NatPmp(way, PORT, signal);
    protocol.hasForgotten(natPmpSays('00001000'));
    expect(protocol.hasForgotten(natPmpSays('00001000'))).toBe(false);
    expect(protocol.hasForgotten(natPmpSays('00001000', 'c0000202'))).toBe(true);
    expect(protocol.hasForgotten(natPmpSays('00001000', 'c0000202'))).toBe(false);
    expect(protocol.hasForgotten(natPmpSays('00000000', 'c0000202'))).toBe(true);
    for (const other of [bytesOf('00 80 0003 00000001 00000000'), pcp('00000000'), notice('alive', 1)])
      expect(protocol.hasForgotten(other)).toBe(false);
  });

  test('the epoch is compared with that of earlier answers', async () => {
    await using gateway = new FakeGateway();
    await gateway.answerPorts(natPmp);
    const protocol = new NatPmp(gateway.way, PORT, signal);
    await protocol.find();
    expect(protocol.hasForgotten(NAT_PMP_ADDRESS)).toBe(false);
    expect(protocol.hasForgotten(natPmpSays('00001000')), 'a leap').toBe(true);
  });

  test('UPnP: a boot identifier other than that of the search, or an earlier goodbye', async () => {
    await using gateway = new FakeGateway();
    await gateway.serveIgd(igd);
    const protocol = new Upnp(gateway.way, PORT, [], signal);
    await protocol.find();
    expect(protocol.hasForgotten(notice('alive')), 'as always').toBe(false);
    expect(protocol.hasForgotten(notice('byebye'))).toBe(false);
    expect(protocol.hasForgotten(notice('alive'))).toBe(true);
    expect(protocol.hasForgotten(notice('alive', 7)), 'the first').toBe(false);
    expect(protocol.hasForgotten(notice('alive', 7))).toBe(false);
    expect(protocol.hasForgotten(notice('alive')), 'no identifier proves nothing').toBe(false);
    expect(protocol.hasForgotten(notice('alive', 8))).toBe(true);
    expect(protocol.hasForgotten(pcp('00000000'))).toBe(false);
  });

  test('the mapper reports a restart, seen by any protocol, until its end', async () => {
    let say: (announcement: Uint8Array) => void = () => undefined;
    let isListening = true;
    const listen = (onAnnouncement: (announcement: Uint8Array) => void) => {
      say = onAnnouncement;
      return () => void (isListening = false);
    };
    const search = new AbortController();
    const protocols = [new Pcp(way, PORT, search.signal), new NatPmp(way, PORT, search.signal)];
    const mapper = new KernelPortMapper(protocols, new MappingFile(undefined), search, listen);
    let times = 0;
    mapper.watch(() => times++);
    for (const announcement of [pcp('00001000'), pcp('00001000'), Buffer.from('x')]) say(announcement);
    expect(times).toBe(1);
    await mapper.release();
    expect(isListening).toBe(false);
  });
});
