import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { until } from '../../src/lab/index.ts';
import type { Site } from '../../src/lab/index.ts';
import { statusOf } from './roles.ts';

/** NAT-PMP alone cannot be had from miniupnpd, which speaks PCP then too: src/io/port-mapping/ tests it. */
export const KINDS = [
  { protocol: 'pcp', options: {}, lifetimeSeconds: 7_200 },
  { protocol: 'nat-pmp', options: { withoutPcp: true, upnp: false }, lifetimeSeconds: 7_200 },
  { protocol: 'upnp', options: { natPmp: false }, lifetimeSeconds: undefined },
] as const;

/** Where the clients of a test file note down what is mapped; gone with it. */
export function ownStateDirectory(): string {
  const state = mkdtempSync(join(tmpdir(), 'teredo-port-mapping-'));
  const before = process.env['STATE_DIRECTORY'];
  process.env['STATE_DIRECTORY'] = state; // handed on to the clients
  afterAll(() => {
    if (before === undefined) delete process.env['STATE_DIRECTORY'];
    else process.env['STATE_DIRECTORY'] = before;
    rmSync(state, { recursive: true });
  });
  return state;
}

/** The status of a site's client once its gateway has opened the port. */
export async function mapped(site: Site) {
  return await until('a port mapping', async () => {
    const status = await statusOf(site.client, 'client');
    return status?.['portMapping'] === undefined ? undefined : status;
  });
}
