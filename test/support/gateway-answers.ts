/** Answers of simulated gateways, and the client side that asks them. */
import { fromHex, parseIpv4 } from '../../src/wire/index.ts';
import { KernelPortMapper } from '../../src/io/port-mapping/kernel-port-mapper.ts';
import { MappingFile } from '../../src/io/port-mapping/mapping-file.ts';
import { NatPmp } from '../../src/io/port-mapping/nat-pmp.ts';
import { Pcp } from '../../src/io/port-mapping/pcp.ts';
import { Upnp } from '../../src/io/port-mapping/upnp.ts';
import type { AnswerAction, FakeGateway } from './fake-gateway.ts';

export const PORT = 40_000;
export const EXTERNAL = { address: parseIpv4('192.0.2.1')!, port: PORT };
export const ADDRESS = '<NewExternalIPAddress>192.0.2.1</NewExternalIPAddress>';

export const bytesOf = (hex: string) => fromHex(hex.replaceAll(' ', ''))!;
export const NAT_PMP_ADDRESS = bytesOf('00 80 0000 00000001 c0000201');
export const NAT_PMP_MAPPING = bytesOf('00 81 0000 00000001 9c40 9c40 00001c20');

/** NAT-PMP only, according to RFC 6886: requests of another version are refused. */
export const natPmp = (request: Uint8Array): Uint8Array => {
  if (request[0] !== 0) return bytesOf('00 80 0001 00000001 00000000');
  return request[1] === 0 ? NAT_PMP_ADDRESS : NAT_PMP_MAPPING;
};

/** Carries out every action. */
export const igd: AnswerAction = (action) => [200, action === 'GetExternalIPAddress' ? ADDRESS : '<ok/>'];

export function mapperOf(gateway: FakeGateway, file?: string, way = gateway.way): KernelPortMapper {
  const search = new AbortController();
  const { signal } = search;
  const subnets = [{ address: way.source, prefixLength: 24 }];
  const protocols = [
    new Pcp(way, PORT, signal),
    new NatPmp(way, PORT, signal),
    new Upnp(way, PORT, subnets, signal),
  ];
  return new KernelPortMapper(protocols, new MappingFile(file), search);
}

/** Grants every requested mapping. */
export function pcpAnswer(request: Buffer): Buffer {
  if (request[1] === 0) return Buffer.from(bytesOf(`02 80 00 00 ${'00'.repeat(20)}`));
  const answer = Buffer.concat([
    bytesOf('02 81 00 00 00000e10 00000001 000000000000000000000000'),
    request.subarray(24),
  ]);
  parseIpv4Into(answer, 56);
  return answer;
}

/** 192.0.2.1 */
export function parseIpv4Into(b: Buffer, o: number): void {
  b.writeUInt32BE(EXTERNAL.address, o);
}
