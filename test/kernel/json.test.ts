/**
 * The objects of real daemons, in each state, are those that packaging/schema/ and docs/json.md describe: by the command line, the control socket and
 * HTTP.
 */
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { ControlClient } from '../../src/control/client.ts';
import { ask } from '../../src/control/control-client.ts';
import { controlDirectory, controlPath } from '../../src/control/control-path.ts';
import type { ControlRequest } from '../../src/control/control-protocol.ts';
import {
  Internet,
  NATIVE_ADDRESS,
  RELAY_ADDRESS,
  SERVER_ADDRESS,
  SERVER_SECONDARY,
  ping,
  until,
} from '../../src/lab/index.ts';
import type { Namespace } from '../../src/lab/index.ts';
import { proveKernelPath } from '../support/carried.ts';
import { ConfiguredRole } from '../support/configured-roles.ts';
import { IS_ALL } from '../support/extent.ts';
import {
  PROGRAM,
  nameOf,
  startClient,
  startHostRelay,
  startRelay,
  startServer,
  teredoAddress,
} from '../support/roles.ts';
import { faultsOf } from '../support/strict-schema.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A daemon of a lab, as programs see it. */
class Seen {
  private readonly host: Namespace;
  private readonly name: string;

  constructor(host: Namespace, role: string) {
    this.host = host;
    this.name = nameOf(host, role);
  }

  get client(): ControlClient {
    return new ControlClient(controlPath(controlDirectory(), this.name));
  }

  async bySocket(request: ControlRequest): Promise<Fields> {
    const answer = await ask(controlPath(controlDirectory(), this.name), request);
    expect(answer).toMatchObject({ ok: true });
    return (answer as { readonly result: Fields }).result;
  }

  private async byHttp(path: string): Promise<Fields> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request({ socketPath: this.client.path, path, agent: false }, resolve).on('error', reject).end();
    });
    let text = '';
    for await (const part of response.setEncoding('utf8') as AsyncIterable<string>) text += part;
    return JSON.parse(text) as Fields;
  }

  /** An exit status of 1 says that a daemon does not work. */
  async byCommand(command: string): Promise<Fields> {
    const asker = this.host.spawn(process.execPath, [PROGRAM, command, this.name, '--json']);
    expect(await asker.exited).toBeLessThanOrEqual(1);
    return JSON.parse(asker.output) as Fields;
  }

  /** Its status once it is in this state and each way of asking shows the same fields: the state may change between two questions. */
  async status(state: string): Promise<Fields> {
    await until(`${this.name} ${state}`, async () => (await this.client.status()).state === state);
    return await until('the same fields', async () => {
      const seen = await this.statuses();
      for (const status of seen) expect(faultsOf('status', status)).toEqual([]);
      const kinds = seen.map((status) => [status['state'], ...Object.keys(status)].join(' '));
      return new Set(kinds).size === 1 ? seen[0] : undefined;
    });
  }

  private async statuses(): Promise<readonly Fields[]> {
    const status = await this.client.status();
    expect(await this.client.ready()).toMatchObject({ ready: status.inWords!.ready });
    const verdict = await this.byCommand('ready');
    expect(faultsOf('ready', verdict)).toEqual([]);
    expect(await this.byHttp('/readyz')).toMatchObject({ name: this.name, ready: verdict['ready'] });
    const objects = [
      status,
      await this.bySocket({ command: 'status' }),
      await this.byCommand('status'),
      await this.byHttp('/api/v1/status'),
    ];
    return objects as readonly object[] as readonly Fields[];
  }

  async peers(): Promise<readonly Fields[]> {
    const answers = [
      await this.bySocket({ command: 'peers' }),
      await this.byCommand('peers'),
      await this.byHttp('/api/v1/peers'),
    ];
    for (const answer of answers) {
      expect(faultsOf('peers', answer)).toEqual([]);
      expect(answer['peers']).not.toEqual([]);
    }
    return (await this.client.peers({ sort: 'traffic', limit: 1 }))
      .peers as readonly object[] as readonly Fields[];
  }

  /** Those that the daemon has kept, and its status. */
  async events(): Promise<readonly string[]> {
    const names: string[] = [];
    for await (const event of this.client.events()) {
      if (event.type === 'status') {
        expect(faultsOf('status', event.status)).toEqual([]);
        break;
      }
      expect(faultsOf('event', event.event)).toEqual([]);
      names.push(event.event.event);
    }
    return names;
  }

  async contact(address: string): Promise<Fields> {
    const contact = await this.bySocket({ command: 'contact', address });
    expect(faultsOf('contact', contact)).toEqual([]);
    expect(Object.keys(await this.client.contact(address))).toEqual(Object.keys(contact));
    return contact;
  }
}

test.for(IS_ALL ? ['user', 'kernel'] : ['user'])('roles that carry packets, %s path', async (path) => {
  await using net = new Internet();
  const { client } = net.site('a', 'port-restricted');
  const options = ['--data-path', path];
  const log = await startClient(
    client,
    SERVER_ADDRESS,
    ...options,
    '--log-format',
    'json',
    '--log-level',
    'debug',
  );
  const seen = new Seen(client, 'client');
  expect(await seen.status('probe')).toMatchObject({ nat: 'unknown' });
  expect(await seen.contact(NATIVE_ADDRESS)).toMatchObject({ qualified: false, state: 'unknown' });

  await startServer(
    net.server,
    SERVER_ADDRESS,
    '--secondary',
    SERVER_SECONDARY,
    '--deny',
    '192.0.2.64/26',
    ...options,
  );
  await startRelay(net.relay, RELAY_ADDRESS, ...options);
  await teredoAddress(client);
  expect(await ping(client, NATIVE_ADDRESS, 10_000)).toBeDefined();
  if (path === 'kernel') await proveKernelPath(client, NATIVE_ADDRESS, net.relay);
  expect(await seen.status('qualified')).toMatchObject({ dataPath: { inUse: path } });
  expect(await seen.peers()).toMatchObject([{ address: NATIVE_ADDRESS, trusted: true }]);
  expect(await seen.contact(NATIVE_ADDRESS)).toMatchObject({ state: 'valid' });
  expect(await seen.contact('2001:0:cb00:7178::1')).toMatchObject({ state: 'unknown' });

  const lines = log.output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Fields);
  expect(lines.map(({ event }) => event)).toContain('qualified');
  expect(lines.flatMap((line) => faultsOf('log', line))).toEqual([]);
  expect(await seen.events()).toEqual(lines.map(({ event }) => event));

  await new Seen(net.server, 'server').status('running');
  const relay = new Seen(net.relay, 'relay');
  await relay.status('running');
  await relay.peers();
  expect(faultsOf('users', await relay.byCommand('users'))).toEqual([]);
  expect((await relay.client.users({ window: 'hour' })).peers).not.toEqual([]);
  const drained = await relay.bySocket({ command: 'drain' });
  expect(faultsOf('status', drained)).toEqual([]);
  expect(faultsOf('drain', await relay.byCommand('drain'))).toEqual([]);
  await relay.status('draining');
});

test('a client that rests, and a host-specific relay', async () => {
  await using net = new Internet();
  await startClient(net.native, SERVER_ADDRESS, '--only-without-ipv6');
  expect(await new Seen(net.native, 'client').status('dormant')).toMatchObject({ reason: 'native-ipv6' });
  await startHostRelay(net.server);
  expect(await new Seen(net.server, 'host-relay').status('running')).toMatchObject({ serves: ['this host'] });
});

test.runIf(IS_ALL)('a client that is offline', async () => {
  await using net = new Internet();
  await startClient(net.native, SERVER_ADDRESS);
  expect(await new Seen(net.native, 'client').status('offline')).toMatchObject({ reason: 'no-answer' });
});

test('a reload', async () => {
  await using net = new Internet();
  const role = await ConfiguredRole.start(net.server, 'server', [`address = "${SERVER_ADDRESS}"`]);
  expect(await new Seen(net.server, 'server').status('running')).toMatchObject({ file: role.file });
  role.write([`address = "${SERVER_SECONDARY}"`, 'deny = ["192.0.2.0/24"]']);
  const result = await new Seen(net.server, 'server').bySocket({ command: 'reload' });
  expect(faultsOf('reload', result)).toEqual([]);
  expect(result).toMatchObject({ changed: [{ option: 'deny' }], needRestart: [{ option: 'address' }, {}] });
});
