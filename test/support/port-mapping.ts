import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { until } from '../../src/lab/index.ts';
import type { Site } from '../../src/lab/index.ts';
import { statusOf } from './roles.ts';

/** Without NAT-PMP only: miniupnpd then speaks PCP, too. The tests in src/io/port-mapping/ cover it. */
export const KINDS = [
  { protocol: 'pcp', options: {}, lifetimeSeconds: 7_200 },
  { protocol: 'nat-pmp', options: { withoutPcp: true, upnp: false }, lifetimeSeconds: 7_200 },
  { protocol: 'upnp', options: { natPmp: false }, lifetimeSeconds: undefined },
] as const;

/** The state directory for the mappings of the clients of a test file; removed at its end. */
export function ownStateDirectory(): string {
  const state = mkdtempSync(join(tmpdir(), 'teredo-port-mapping-'));
  const before = process.env['STATE_DIRECTORY'];
  process.env['STATE_DIRECTORY'] = state; // the clients inherit it
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
