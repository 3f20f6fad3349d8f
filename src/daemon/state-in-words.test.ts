import { expect, test } from 'vitest';
import type { ClientStatus, RelayStatus, ServerStatus } from '../control/status.ts';
import { withWords } from './state-in-words.ts';

const client = {
  role: 'client',
  state: 'qualified',
  interface: 'teredo',
  counters: {},
} as unknown as ClientStatus;
const relay = { role: 'relay', state: 'running', forwards: true } as RelayStatus;

test('the status of a client has its state, the reason and a step to take in words', () => {
  expect(withWords(client).inWords).toEqual({ ready: true, state: 'qualified: Teredo works' });
  const offline = withWords({ ...client, state: 'offline', reason: 'no-answer' });
  expect(offline.inWords).toEqual({
    ready: false,
    state: 'offline: Teredo does not work',
    reason: expect.stringMatching(/^no server answers over UDP/) as string,
    advice: expect.stringMatching(/teredo netcheck --server/) as string,
  });
  expect(offline.state).toBe('offline');
});

test('the reason of a client that is offline has the servers that were asked, and that its own firewall refuses', () => {
  const offline = { ...client, state: 'offline', reason: 'no-answer' } as const;
  const reasonOf = (status: ClientStatus, ...asked: string[]): string =>
    withWords(status, asked).inWords!.reason!;
  expect(reasonOf(offline)).not.toMatch(/asked:|firewall/);
  expect(reasonOf(offline, 'one.example (192.0.2.1)', '192.0.2.2')).toMatch(
    /; asked: one\.example \(192\.0\.2\.1\), 192\.0\.2\.2$/,
  );
  expect(reasonOf(offline, '1', '2', '3', '4', '5', '6')).toMatch(/; asked: 1, 2, 3, 4 and 2 more$/);
  const refused = { ...offline, counters: { 'udpSendFailures.EPERM': 3 } };
  expect(reasonOf(refused, '1')).toMatch(
    /; asked: 1; this host's own firewall has refused to send 3 datagrams/,
  );
});

test('the status of a relay says that it is about to end, and that its host does not forward', () => {
  expect(withWords(relay).inWords).toEqual({ ready: true, state: 'running' });
  expect(withWords({ ...relay, state: 'draining' }).inWords).toMatchObject({
    ready: false,
    state: expect.stringMatching(/^draining: /) as string,
  });
  expect(withWords({ ...relay, forwards: false }).inWords).toMatchObject({
    ready: false,
    advice: expect.stringMatching(/sysctl -w/) as string,
  });
});

test('the status of a server says that it runs', () => {
  const server = { role: 'server', state: 'running' } as ServerStatus;
  expect(withWords(server).inWords).toEqual({ ready: true, state: 'running' });
});
