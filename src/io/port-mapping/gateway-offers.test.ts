/** The protocols that gateways report when a request maps nothing. */
import { describe, expect, test } from 'vitest';
import { FakeGateway, describeService, portOf, searchAnswer } from '../../../test/support/fake-gateway.ts';
import { EXTERNAL, bytesOf, natPmp, igd } from '../../../test/support/gateway-answers.ts';
import { stopwatch } from '../../../test/support/stopwatch.ts';
import { allProtocols } from './all-protocols.ts';
import { offersOf } from './gateway-offers.ts';

describe('the protocols of a gateway, from requests that map nothing', () => {
  const never = new Promise<never>(() => undefined);
  const times = { mostMs: 1_000, leastMs: 400 };
  async function offers(gateway: FakeGateway, others: Promise<unknown> = never) {
    const search = new AbortController();
    const [watch, begun] = [stopwatch(), performance.now()];
    const found = await offersOf(allProtocols(gateway.way, 0, [], search.signal), search, others, times);
    const said = Object.fromEntries(found.map(({ protocol, offer }) => [protocol, offer]));
    return { said, tookMs: watch(), wallMs: performance.now() - begun };
  }

  test('each protocol that it speaks, and its external address', async () => {
    await using gateway = new FakeGateway();
    const asked: string[] = [];
    await gateway.answerPorts((request) => {
      asked.push(`${request[0]}.${request[1]}`);
      return request[0] === 2 ? bytesOf(`02 80 00 00 ${'00'.repeat(20)}`) : natPmp(request);
    });
    await gateway.serveIgd(igd);
    const by = gateway.way.gateway;
    const { said } = await offers(gateway);
    expect(said).toEqual({
      pcp: { by },
      'nat-pmp': { by, external: EXTERNAL.address },
      upnp: { by, external: EXTERNAL.address },
    });
    expect(new Set(asked), 'ANNOUNCE, external address').toEqual(new Set(['2.0', '0.0']));
    expect(gateway.actions.map(({ name }) => name)).toEqual(['GetExternalIPAddress']);
  });

  test('a refusal is reported, and a gateway that knows another version only speaks no protocol', async () => {
    await using gateway = new FakeGateway();
    const asked = Promise.resolve();
    let result = '02';
    await gateway.answerPorts((request) =>
      request[0] === 2
        ? bytesOf(`02 80 00 ${result} ${'00'.repeat(20)}`)
        : bytesOf(`00 80 00 ${result} 00000001 00000000`),
    );
    const by = gateway.way.gateway;
    const refused = { by, isRefused: true };
    expect((await offers(gateway, asked)).said).toEqual({
      pcp: refused,
      'nat-pmp': refused,
      upnp: undefined,
    });
    result = '01';
    expect((await offers(gateway, asked)).said).toEqual({
      pcp: undefined,
      'nat-pmp': undefined,
      upnp: undefined,
    });
    result = '03'; // the gateway has no external address: NAT-PMP says so at once, PCP only when it maps
    expect((await offers(gateway, asked)).said).toMatchObject({ 'nat-pmp': { by, external: 0 } });
  });

  test.for([
    ['/description', undefined],
    ['/control', 'found'],
  ] as const)(
    'without an answer from %s it takes its time, or less if nothing else is waited for',
    async ([mute, found]) => {
      await using gateway = new FakeGateway();
      const server = await gateway.serve((path) =>
        path === mute ? undefined : [200, describeService('/control')],
      );
      await gateway.answerSearch(() =>
        searchAnswer(`http://${gateway.address}:${portOf(server)}/description`),
      );
      const upnp = found === undefined ? undefined : { by: gateway.way.gateway };
      const patient = await offers(gateway);
      expect(patient.said['upnp']).toEqual(upnp);
      expect(patient.wallMs).toBeGreaterThan(times.leastMs);
      expect(patient.tookMs).toBeLessThan(1_500);
      const hurried = await offers(gateway, Promise.resolve());
      expect(hurried.said['upnp']).toEqual(upnp);
      expect(hurried.tookMs).toBeLessThan(times.mostMs);
    },
  );
});
