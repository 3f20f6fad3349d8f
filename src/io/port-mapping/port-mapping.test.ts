/** Each protocol against a played gateway. For miniupnpd see test/kernel/port-mapping.test.ts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  FakeGateway,
  describeService,
  portOf,
  searchAnswer,
  upnpError,
} from '../../../test/support/fake-gateway.ts';
import {
  PORT,
  EXTERNAL,
  ADDRESS,
  bytesOf,
  NAT_PMP_ADDRESS,
  NAT_PMP_MAPPING,
  natPmp,
  igd,
  mapperOf,
  pcpAnswer,
  parseIpv4Into,
} from '../../../test/support/gateway-answers.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { stopwatch } from '../../../test/support/stopwatch.ts';
import { parseIpv4 } from '../../wire/index.ts';
import { MappingFile } from './mapping-file.ts';
import { NatPmp } from './nat-pmp.ts';
import { Pcp } from './pcp.ts';
import { Upnp } from './upnp.ts';
import type { PortMapping } from '../ports.ts';

const OPEN: PortMapping = { protocol: 'nat-pmp', external: EXTERNAL, lifetimeMs: 7_200_000 };
const NO_ADDRESS = '<NewExternalIPAddress>0.0.0.0</NewExternalIPAddress>';

/** No process can have this number. */
const GONE = 4_194_305;

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'teredo-mapping-file-'))));
afterEach(() => rmSync(directory, { recursive: true }));

/** When a process began, in clock ticks. proc(5) */
function beganAt(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')[19]!;
}

describe('which protocol is used', () => {
  test('a gateway that refuses all of them is recognised at once, and does not delay the start', async () => {
    await using gateway = new FakeGateway();
    const watch = stopwatch();
    const mapper = mapperOf(gateway);
    expect(await mapper.asked).toBe(false);
    expect(watch()).toBeLessThan(250);
    const mapped = mapper.map();
    await mapper.release();
    expect(await mapped).toBeUndefined();
    expect(watch()).toBeLessThan(1_000);
  });

  test('NAT-PMP if there is no PCP', async () => {
    await using gateway = new FakeGateway();
    await gateway.answerPorts(natPmp);
    const mapper = mapperOf(gateway);
    expect(await mapper.map()).toEqual(OPEN);
    await mapper.release();
  });

  test('UPnP if the others refuse to map', async () => {
    await using gateway = new FakeGateway();
    await gateway.answerPorts((request) =>
      request[1] === 1 ? bytesOf('00 81 0002 00000001') : natPmp(request),
    );
    await gateway.serveIgd(igd);
    const mapper = mapperOf(gateway);
    expect(await mapper.map()).toEqual({ protocol: 'upnp', external: EXTERNAL, lifetimeMs: Infinity });
    await mapper.release();
  });

  test('none, if the gateway itself has no external address', async () => {
    await using gateway = new FakeGateway();
    const offline = bytesOf('00 80 0000 00000001 00000000');
    await gateway.answerPorts((request) =>
      request[0] === 0 && request[1] === 0 ? offline : natPmp(request),
    );
    const mapper = mapperOf(gateway, undefined, gateway.hasty);
    const mapped = mapper.map();
    await mapper.asked;
    expect(await Promise.race([mapped, mapper.release().then(() => mapped)])).toBeUndefined();
  });
});

describe('a mapping that is unusable, or that may have been made, is released again', () => {
  /** Answers every request except those to map, and records the lifetimes of these by protocol. */
  async function gatewayThat(
    gateway: FakeGateway,
    protocol: 'pcp' | 'nat-pmp',
    answer: (request: Buffer) => Uint8Array | undefined,
  ): Promise<number[]> {
    const lifetimes: number[] = [];
    await gateway.answerPorts((request) => {
      if (request[0] === 2 && protocol === 'pcp' && request[1] === 0)
        return bytesOf(`02 80 00 00 ${'00'.repeat(20)}`);
      if (request[0] !== (protocol === 'pcp' ? 2 : 0)) return undefined;
      if (request[1] === 0) return NAT_PMP_ADDRESS;
      const lifetime = request.readUInt32BE(protocol === 'pcp' ? 4 : 8);
      if (lifetime !== lifetimes.at(-1)) lifetimes.push(lifetime);
      return lifetime === 0 && protocol === 'nat-pmp'
        ? bytesOf('00 81 0000 00000001 9c40 0000 00000000')
        : answer(request);
    });
    return lifetimes;
  }

  test('E-44: PCP without an external address', async () => {
    await using gateway = new FakeGateway();
    const lifetimes = await gatewayThat(gateway, 'pcp', (request) =>
      Buffer.concat([
        bytesOf('02 81 00 00 00001c20 00000001 000000000000000000000000'),
        request.subarray(24, 44),
        bytesOf('00000000 00000000 0000ffff 00000000'),
      ]),
    );
    const mapper = mapperOf(gateway, undefined, gateway.hasty);
    expect(await mapper.map()).toBeUndefined();
    expect(lifetimes).toEqual([7_200, 0]);
    await mapper.release();
  });

  test('E-44: NAT-PMP without an external address', async () => {
    await using gateway = new FakeGateway();
    const lifetimes: number[] = [];
    await gateway.answerPorts((request) => {
      if (request[0] !== 0) return undefined;
      if (request[1] === 0) return bytesOf('00 80 0000 00000001 00000000');
      lifetimes.push(request.readUInt32BE(8));
      return NAT_PMP_MAPPING;
    });
    const mapper = mapperOf(gateway, undefined, gateway.hasty);
    expect(await mapper.map()).toBeUndefined();
    expect(lifetimes).toEqual([7_200, 0]);
    await mapper.release();
  });

  test('E-44: UPnP without an external address, before the mapping is removed from the file', async () => {
    await using gateway = new FakeGateway();
    const path = join(directory, 'client.port-mapping');
    let noted = '';
    await gateway.serveIgd((action) => {
      if (action === 'DeletePortMapping') noted = readFileSync(path, 'utf8');
      return [200, action === 'GetExternalIPAddress' ? NO_ADDRESS : '<ok/>'];
    });
    const mapper = mapperOf(gateway, path);
    expect(await mapper.map()).toBeUndefined();
    expect(gateway.actions.map(({ name }) => name)).toEqual([
      'AddPortMapping',
      'GetExternalIPAddress',
      'DeletePortMapping',
    ]);
    expect(noted).toContain('upnp');
    expect(() => readFileSync(path)).toThrow('ENOENT');
    await mapper.release();
  });

  test('of two links of a UPnP gateway the one with an address is used', async () => {
    await using gateway = new FakeGateway();
    let asked = 0;
    await gateway.serveIgd(
      (action) => [200, action === 'GetExternalIPAddress' ? (asked++ === 0 ? NO_ADDRESS : ADDRESS) : '<ok/>'],
      { description: describeService('/control').repeat(2) },
    );
    const mapper = mapperOf(gateway);
    expect(await mapper.map()).toMatchObject({ external: EXTERNAL });
    expect(gateway.actions.filter(({ name }) => name === 'DeletePortMapping')).toHaveLength(1);
    await mapper.release();
  });

  test.for(['pcp', 'nat-pmp'] as const)('%s: a request without an answer', async (protocol) => {
    await using gateway = new FakeGateway();
    const lifetimes = await gatewayThat(gateway, protocol, () => undefined);
    const mapper = mapperOf(gateway, undefined, gateway.hasty);
    expect(await mapper.map()).toBeUndefined();
    expect(lifetimes).toEqual([7_200, 0]);
    await mapper.release();
  });

  test.for(['AddPortMapping', 'GetExternalIPAddress'])('UPnP: %s without an answer', async (mute) => {
    await using gateway = new FakeGateway();
    const actions: string[] = [];
    const server = await gateway.serve((path, action) => {
      if (path === '/description') return [200, describeService('/control').repeat(2)];
      actions.push(action);
      return action === mute ? undefined : [200, '<ok/>'];
    });
    await gateway.answerSearch(() => searchAnswer(`http://${gateway.address}:${portOf(server)}/description`));
    const mapper = mapperOf(gateway, undefined, gateway.hasty);
    expect(await mapper.map()).toBeUndefined();
    expect(new Set(actions)).toEqual(new Set(['AddPortMapping', mute, 'DeletePortMapping']));
    expect(actions.filter((action) => action === 'DeletePortMapping')).toHaveLength(1);
    await mapper.release();
  });

  test('a mapping of another host is not released', async () => {
    await using gateway = new FakeGateway();
    await gateway.serveIgd(() => upnpError(718));
    const mapper = mapperOf(gateway);
    expect(await mapper.map()).toBeUndefined();
    await mapper.release();
    expect(gateway.actions.map(({ name }) => name)).toEqual(['AddPortMapping']);
  });
});

describe('NAT-PMP and PCP', () => {
  test('a gateway that cannot be reached from our address is not used', async () => {
    const way = { gateway: parseIpv4('192.0.2.1')!, source: parseIpv4('127.0.0.1')! };
    const elsewhere = { gateway: parseIpv4('127.0.0.1')!, source: parseIpv4('192.0.2.1')! };
    for (const one of [way, elsewhere])
      expect(await new NatPmp(one, PORT, new AbortController().signal).find()).toBe(false);
  });

  test('an answer from another host is ignored', async () => {
    await using gateway = new FakeGateway();
    const foreign = await gateway.neighbour();
    await gateway.answerPorts((_, from) => {
      foreign.send(NAT_PMP_ADDRESS, from.port, from.address);
      return undefined;
    });
    const search = new AbortController();
    const protocol = new NatPmp(gateway.way, PORT, search.signal);
    const found = protocol.find();
    setTimeout(() => search.abort(), 200);
    expect(await found).toBe(false);
  });

  test('answers that are malformed, or for another mapping, are skipped', async () => {
    await using gateway = new FakeGateway();
    let asked = 0;
    await gateway.answerPorts((request) => {
      if (request[0] !== 0 || request[1] !== 1) return natPmp(request);
      const wrong = ['00', '00 81 0000 00000001 9c42 9c42 00001c20', '00 80 0000 00000001 c0000201'];
      return asked < wrong.length ? bytesOf(wrong[asked++]!) : NAT_PMP_MAPPING;
    });
    const protocol = new NatPmp(gateway.hasty, PORT, new AbortController().signal);
    expect(await protocol.map()).toEqual(OPEN);
  });

  test('PCP accepts only a mapping with its own nonce, and releases it with that nonce', async () => {
    await using gateway = new FakeGateway();
    const requests: Buffer[] = [];
    await gateway.answerPorts((request) => {
      if (request[0] !== 2 || request[1] !== 1) return undefined;
      requests.push(request);
      const answer = Buffer.concat([
        bytesOf('02 81 00 00 00000e10 00000001 000000000000000000000000'),
        request.subarray(24),
      ]);
      parseIpv4Into(answer, 56);
      if (requests.length === 1) answer[24]! ^= 1;
      return answer;
    });
    const protocol = new Pcp(gateway.way, PORT, new AbortController().signal);
    expect(await protocol.map()).toEqual({ protocol: 'pcp', external: EXTERNAL, lifetimeMs: 3_600_000 });
    expect(requests.length).toBeGreaterThan(1);
    await protocol.release(protocol.made);
    const last = requests.at(-1)!;
    expect(last.readUInt32BE(4), 'lifetime').toBe(0);
    expect(last.subarray(24, 36)).toEqual(requests[0]!.subarray(24, 36));
  });
});

describe('a gateway that does not answer the renewal', () => {
  test('the mapping is not released: PCP, NAT-PMP', async () => {
    for (const version of [2, 0]) {
      await using gateway = new FakeGateway();
      const lifetimes: number[] = [];
      let isMute = false;
      await gateway.answerPorts((request) => {
        if (request[0] !== version) return undefined;
        if (request[1] === 1) lifetimes.push(request.readUInt32BE(version === 2 ? 4 : 8));
        if (isMute) return undefined;
        return version === 0 ? natPmp(request) : pcpAnswer(request);
      });
      const mapper = mapperOf(gateway, undefined, gateway.hasty);
      const mapping = await mapper.map();
      expect(mapping).toMatchObject({ external: EXTERNAL });
      isMute = true;
      expect(await mapper.map()).toBe('silent');
      isMute = false;
      expect(await mapper.map()).toEqual(mapping);
      expect(new Set(lifetimes)).toEqual(new Set([7_200]));
      await mapper.release();
    }
  });

  test.for(['AddPortMapping', 'GetExternalIPAddress'])(
    'UPnP: the mapping is not released, and the gateway is searched for again, as it may be at another port (%s)',
    async (mute) => {
      await using gateway = new FakeGateway();
      const actions: string[] = [];
      let isMute = false;
      let asked = 0;
      const serve = () =>
        gateway.serve((path, action, body) => {
          if (path === '/description') return [200, describeService('/control')];
          actions.push(action);
          return isMute && action === mute ? undefined : (igd(action, body) as [number, string]);
        });
      let at = await serve();
      await gateway.answerSearch(() => {
        asked++;
        return searchAnswer(`http://${gateway.address}:${portOf(at)}/description`);
      });
      const mapper = mapperOf(gateway, undefined, gateway.hasty);
      const mapping = await mapper.map();
      expect(mapping).toMatchObject({ external: EXTERNAL });
      isMute = true;
      expect(await mapper.map()).toBe('silent');
      expect(await mapper.map()).toBe('silent');
      expect(asked).toBe(2);
      at.closeAllConnections();
      at = await serve();
      isMute = false;
      expect(await mapper.map()).toEqual(mapping);
      expect(actions).not.toContain('DeletePortMapping');
      await mapper.release();
      expect(actions.filter((action) => action === 'DeletePortMapping')).toHaveLength(1);
    },
  );

  test('no search if no program listens any more: another gateway may be there now', async () => {
    await using gateway = new FakeGateway();
    const server = await gateway.serve((path, action, body) =>
      path === '/description' ? [200, describeService('/control')] : (igd(action, body) as [number, string]),
    );
    await gateway.answerSearch(() => searchAnswer(`http://${gateway.address}:${portOf(server)}/description`));
    const mapper = mapperOf(gateway, undefined, gateway.hasty);
    expect(await mapper.map()).toBeDefined();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
    expect(await mapper.map()).toBeUndefined();
    await mapper.release();
  });
});

describe('UPnP', () => {
  async function upnp(gateway: FakeGateway, way = gateway.way): ReturnType<Upnp['map']> {
    const protocol = new Upnp(way, PORT, [], new AbortController().signal);
    return (await protocol.find()) ? await protocol.map() : undefined;
  }
  const names = (gateway: FakeGateway) => gateway.actions.map(({ name }) => name);

  test('E-41, E-43, E-45: AddPortMapping without a time limit, then GetExternalIPAddress', async () => {
    await using gateway = new FakeGateway();
    await gateway.serveIgd(igd);
    expect(await upnp(gateway)).toEqual({ protocol: 'upnp', external: EXTERNAL, lifetimeMs: Infinity });
    expect(names(gateway)).toEqual(['AddPortMapping', 'GetExternalIPAddress']);
    const { body } = gateway.actions[0]!;
    expect(body).toContain(`<NewInternalClient>${gateway.network}.2</NewInternalClient>`);
    expect(body).toContain('<NewLeaseDuration>0</NewLeaseDuration>');
  });

  test('E-42: error 718, another host has the port: no mapping is used', async () => {
    await using gateway = new FakeGateway();
    await gateway.serveIgd(() => upnpError(718));
    expect(await upnp(gateway)).toBeUndefined();
    expect(names(gateway)).toEqual(['AddPortMapping']);
  });

  test('a gateway that demands a finite lease gets one', async () => {
    await using gateway = new FakeGateway();
    await gateway.serveIgd((action, body) =>
      body.includes('<NewLeaseDuration>0<') ? upnpError(402) : igd(action, body),
    );
    expect(await upnp(gateway)).toMatchObject({ lifetimeMs: 7_200_000 });
    expect(names(gateway)).toEqual(['AddPortMapping', 'AddPortMapping', 'GetExternalIPAddress']);
  });

  test('a gateway that grants only permanent leases (error 725) gets one', async () => {
    await using gateway = new FakeGateway();
    await gateway.serveIgd((action, body) =>
      action === 'AddPortMapping' && !body.includes('<NewLeaseDuration>0<')
        ? upnpError(725)
        : igd(action, body),
    );
    expect(await upnp(gateway)).toMatchObject({ lifetimeMs: Infinity });
  });

  test('E-44: without an external address the mapping is deleted', async () => {
    await using gateway = new FakeGateway();
    await gateway.serveIgd((action, body) =>
      action === 'GetExternalIPAddress' ? upnpError(501) : igd(action, body),
    );
    expect(await upnp(gateway)).toBeUndefined();
    expect(names(gateway)).toEqual(['AddPortMapping', 'GetExternalIPAddress', 'DeletePortMapping']);
  });

  test.for([
    ['the description', (other: string) => ({ location: `${other}/description` })],
    ['the control URL', (other: string) => ({ description: describeService(`${other}/control`) })],
  ] as const)('%s has to be at the host that answers: no other host is asked', async ([, given]) => {
    await using gateway = new FakeGateway();
    const other = await gateway.serve(() => [200, describeService('/control')], `${gateway.network}.9`);
    await gateway.serveIgd(igd, given(`http://${gateway.network}.9:${portOf(other)}`));
    const search = new AbortController();
    const protocol = new Upnp(gateway.way, PORT, [], search.signal);
    setTimeout(() => search.abort(), 300);
    expect(await protocol.find()).toBe(false);
    expect(gateway.paths.filter((path) => path !== '/description')).toEqual([]);
  });

  test.for([
    ['a redirection', (): readonly [number, string, string] => [302, '', '/elsewhere']],
    [
      'a body without an end',
      (): readonly [number, string] => [200, 'x'.repeat(1 << 20) + describeService('/c')],
    ],
    ['an error', (): readonly [number, string] => [404, describeService('/control')]],
  ] as const)('%s is no description', async ([, answer]) => {
    await using gateway = new FakeGateway();
    const server = await gateway.serve(answer);
    await gateway.answerSearch(() => searchAnswer(`http://${gateway.address}:${portOf(server)}/description`));
    expect(await upnp(gateway)).toBeUndefined();
    expect(gateway.paths).toEqual(['/description']);
  });

  test('of an endless list of services four are asked', async () => {
    await using gateway = new FakeGateway();
    await gateway.serveIgd(() => upnpError(718), { description: describeService('/control').repeat(32) });
    expect(await upnp(gateway)).toBeUndefined();
    expect(gateway.actions).toHaveLength(4);
  });

  test.for(['/description', '/control'])(
    'the end does not wait for %s of four services that do not answer',
    async (mute) => {
      await using gateway = new FakeGateway();
      const description = describeService('/control').repeat(4);
      const server = await gateway.serve((path) => (path === mute ? undefined : [200, description]));
      await gateway.answerSearch(() =>
        searchAnswer(`http://${gateway.address}:${portOf(server)}/description`),
      );
      const mapper = mapperOf(gateway, undefined, gateway.hasty);
      const mapped = mapper.map();
      await eventually(() => expect(gateway.paths).toContain(mute));
      const watch = stopwatch();
      await mapper.release();
      expect(await mapped).toBeUndefined();
      expect(watch()).toBeLessThan(1_500);
      expect(gateway.paths.filter((path) => path === '/control').length).toBe(mute === '/control' ? 2 : 0); // AddPortMapping, DeletePortMapping
    },
  );

  test('a port that was mapped while the mapper ended is released', async () => {
    await using gateway = new FakeGateway();
    let released: Promise<void> | undefined;
    await gateway.serveIgd((action, body) => {
      if (action === 'AddPortMapping') released = mapper.release();
      return igd(action, body);
    });
    const mapper = mapperOf(gateway);
    expect(await mapper.map()).toBeUndefined();
    await released;
    expect(names(gateway)).toEqual(['AddPortMapping', 'DeletePortMapping']);
  });

  test('a description that arrives too slowly is dropped when the time is over', async () => {
    await using gateway = new FakeGateway();
    const trickle = createServer((_, response) => {
      const timer = setInterval(() => response.write('<x/>'), 20);
      response.on('close', () => clearInterval(timer));
    });
    trickle.listen(0, gateway.address);
    await once(trickle, 'listening');
    await gateway.answerSearch(() =>
      searchAnswer(`http://${gateway.address}:${portOf(trickle)}/description`),
    );
    const watch = stopwatch();
    expect(await upnp(gateway, gateway.hasty)).toBeUndefined();
    expect(watch()).toBeLessThan(1_500);
    trickle.closeAllConnections();
    trickle.close();
  });

  test('a description that is missing, or comes too late, is not used', async () => {
    await using gateway = new FakeGateway();
    const mute = await gateway.serve(() => undefined);
    let port = 1;
    await gateway.answerSearch(() => searchAnswer(`http://${gateway.address}:${port}/description`));
    expect(await upnp(gateway), 'no program listens').toBeUndefined();
    port = portOf(mute);
    const watch = stopwatch();
    expect(await upnp(gateway, gateway.hasty), 'no answer').toBeUndefined();
    expect(watch()).toBeLessThan(1_500);
  });
});

describe('after a sudden end', () => {
  test('E-40, E-53: the old mapping is deleted first, and stays in the file until then', async () => {
    await using gateway = new FakeGateway();
    await gateway.serveIgd(igd);
    const path = join(directory, 'client.port-mapping');
    writeFileSync(path, JSON.stringify({ pid: GONE, made: [{ protocol: 'upnp', port: 41_000 }] }));
    const mapper = mapperOf(gateway, path);
    await mapper.map();
    expect(gateway.actions.map(({ name }) => name)).toEqual([
      'DeletePortMapping',
      'AddPortMapping',
      'GetExternalIPAddress',
    ]);
    expect(gateway.actions[0]!.body).toContain('<NewExternalPort>41000</NewExternalPort>');
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
      pid: process.pid,
      began: beganAt(process.pid),
      made: [{ protocol: 'upnp', port: PORT }],
    });
    await mapper.release();
    expect(gateway.actions.at(-1)).toMatchObject({ name: 'DeletePortMapping' }); // E-52
    expect(() => readFileSync(path)).toThrow('ENOENT');
  });

  test('E-40: it is deleted before the port is mapped in another protocol', async () => {
    await using gateway = new FakeGateway();
    const log: string[] = [];
    await gateway.serveIgd((action, body) => {
      log.push(action);
      return igd(action, body);
    });
    await gateway.answerPorts((request) => {
      if (request[0] === 0 && request[1] === 1) log.push('NAT-PMP');
      return natPmp(request);
    });
    const path = join(directory, 'client.port-mapping');
    writeFileSync(path, JSON.stringify({ pid: GONE, made: [{ protocol: 'upnp', port: PORT }] }));
    const mapper = mapperOf(gateway, path);
    expect(await mapper.map()).toEqual(OPEN);
    expect(log).toEqual(['DeletePortMapping', 'NAT-PMP']);
    await mapper.release();
    expect(() => readFileSync(path)).toThrow('ENOENT');
  });

  test('E-53: it stays in the file until a gateway deletes it', async () => {
    const path = join(directory, 'client.port-mapping');
    const left = { protocol: 'upnp', port: 41_000 };
    writeFileSync(path, JSON.stringify({ pid: GONE, made: [left] }));
    const noted = () => (JSON.parse(readFileSync(path, 'utf8')) as { made: unknown }).made;
    await using gateway = new FakeGateway();
    await gateway.answerPorts(natPmp);
    const first = mapperOf(gateway, path, gateway.hasty);
    expect(await first.map()).toEqual(OPEN);
    expect(noted()).toEqual([left, { protocol: 'nat-pmp', port: PORT }]);
    await first.release();
    expect(noted()).toEqual([left]);
    await gateway.serveIgd(igd);
    const second = mapperOf(gateway, path);
    await second.map();
    expect(gateway.actions[0]).toMatchObject({ name: 'DeletePortMapping' });
    expect(gateway.actions[0]!.body).toContain('<NewExternalPort>41000</NewExternalPort>');
    await second.release();
    expect(() => readFileSync(path)).toThrow('ENOENT');
  });

  test('it stays in the file if the gateway does not answer; then only one request is sent, however many mappings there are', async () => {
    await using gateway = new FakeGateway();
    const releases = new Set<number>();
    await gateway.answerPorts((request) => {
      if (request[0] !== 0 || request[1] === 0) return natPmp(request);
      if (request.readUInt32BE(8) !== 0) return NAT_PMP_MAPPING;
      releases.add(request.readUInt16BE(4));
      return undefined;
    });
    const path = join(directory, 'client.port-mapping');
    const ports = [41_001, 41_002, 41_003];
    const made = ports.map((port) => ({ protocol: 'nat-pmp', port }));
    writeFileSync(path, JSON.stringify({ pid: GONE, made }));
    const mapper = mapperOf(gateway, path, gateway.hasty);
    expect(await mapper.map()).toEqual(OPEN);
    expect(releases).toEqual(new Set([41_001]));
    await mapper.release();
    expect(new MappingFile(path).read().map(({ port }) => port)).toEqual([...ports, PORT]);
  });

  test('the file has eight mappings at most', () => {
    const file = new MappingFile(join(directory, 'client.port-mapping'));
    for (let port = 1; port <= 20; port++) file.write({ protocol: 'nat-pmp', port });
    file.write({ protocol: 'nat-pmp', port: 14 });
    expect(file.read().map(({ port }) => port)).toEqual([13, 15, 16, 17, 18, 19, 20, 14]);
  });

  test('the mapping of another running client is left alone', async () => {
    const other = spawn(process.execPath, ['-e', 'process.stdin.resume()']);
    onTestFinished(() => void other.kill());
    await once(other, 'spawn');
    const path = join(directory, 'client.port-mapping');
    const made = [{ protocol: 'upnp', port: PORT }];
    const its = JSON.stringify({ pid: other.pid, began: beganAt(other.pid!), made });
    writeFileSync(path, its);
    const file = new MappingFile(path);
    expect(file.read()).toEqual([]);
    file.write({ protocol: 'upnp', port: PORT });
    file.remove({ protocol: 'upnp', port: PORT });
    expect(readFileSync(path, 'utf8')).toBe(its);
    other.stdin.end();
    await once(other, 'exit');
    expect(file.read()).toHaveLength(1);
  });

  test('but not where another process has the number, though it is named like a client', async () => {
    const other = spawn(process.execPath, ['-e', 'process.stdin.resume()', 'teredo']);
    onTestFinished(() => void other.kill());
    await once(other, 'spawn');
    const path = join(directory, 'client.port-mapping');
    const began = String(Number(beganAt(other.pid!)) - 1);
    for (const note of [{ pid: other.pid, began }, { pid: other.pid }]) {
      writeFileSync(path, JSON.stringify({ ...note, made: [{ protocol: 'upnp', port: PORT }] }));
      expect(new MappingFile(path).read()).toHaveLength(1);
    }
  });

  test.for([
    '',
    'x',
    '{}',
    '[]',
    'null',
    '{"protocol":"upnp","port":"1"}',
    '{"protocol":"upnp","port":70000,"pid":1}',
    '{"pid":"1","made":[{"protocol":"upnp","port":1}]}',
    '{"pid":4194305,"made":[null,1,[],{"protocol":"upnp"}]}',
    '{"pid":4194305,"made":1}',
  ])('a file that holds %j is ignored', async (text) => {
    const path = join(directory, 'client.port-mapping');
    writeFileSync(path, text);
    expect(new MappingFile(path).read()).toEqual([]);
  });

  test('a folder that cannot be written to does not prevent mapping', async () => {
    const taken = join(directory, 'taken');
    writeFileSync(taken, '');
    const file = new MappingFile(join(taken, 'client.port-mapping'));
    file.write({ protocol: 'upnp', port: PORT });
    file.remove({ protocol: 'upnp', port: PORT });
    expect(file.read()).toEqual([]);
  });
});
