/** A daemon that only answers HTTP, and a client for it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import type { IncomingHttpHeaders, RequestOptions } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ControlServer } from '../../src/control/control-server.ts';
import type { RelayStatus, UsersStatus } from '../../src/control/status.ts';
import { lazyHttp } from '../../src/daemon/http/lazy-http.ts';
import type { HttpRules } from '../../src/daemon/http/rules.ts';
import type { HttpSource } from '../../src/daemon/http/source.ts';

const STATUS = { version: 1, name: 'it', role: 'relay', state: 'running', address: '192.0.2.1', port: 3545 };
export const SOURCE: HttpSource = {
  name: 'it',
  role: 'relay',
  status: () => ({ ...STATUS, dataPath: { inUse: 'user' } }) as unknown as RelayStatus,
  peers: (limit) => ({
    ok: true,
    result: { version: 1, name: 'it' },
    list: 'peers',
    items: Array.from({ length: Math.min(limit, 5_000) }, (_, i) => ({ address: `2001::${i}` })),
  }),
  users: (window, limit) => ({ version: 1, name: 'it', window, limit }) as unknown as UsersStatus,
  log: () => {},
};

export interface Daemon {
  readonly path: string;
  /** Of HTTP over TCP on the loopback address. */
  readonly port: number;
  readonly control: ControlServer;
  readonly rules: HttpRules;
}

/** `atEnd`: registers the end of the daemon: that of the test, unless it is given. */
export async function httpDaemon(
  source: Partial<HttpSource> = {},
  token?: string,
  atEnd: (end: () => void) => void = onTestFinished,
): Promise<Daemon> {
  const directory = mkdtempSync(join(tmpdir(), 'teredo-http-'));
  const rules = { token };
  const http = lazyHttp({ ...SOURCE, ...source }, rules);
  const answer = { ok: true, result: 'here' } as const;
  const control = (await ControlServer.listen(directory, 'it', () => answer, undefined, http))!;
  atEnd(() => {
    control.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { path: control.path, port: control.listenTcp(Uint8Array.of(127, 0, 0, 1), 0), control, rules };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export function get(path: string, options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ path, agent: new Agent(), ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }));
      response.on('error', reject);
    });
    asked.on('error', reject).end();
  });
}

/** All that comes back for these octets, until the daemon closes. */
export function raw(port: number, octets: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(octets));
    socket.on('data', (part) => (text += part.toString())).on('error', () => {});
    socket.on('close', () => resolve(text));
  });
}
