import { expect, test } from 'vitest';
import { Internet, SERVER_ADDRESS } from '../../src/lab/index.ts';
import { asUser, makeUser } from '../support/guest.ts';
import { startServer } from '../support/roles.ts';

test('exec --listen: status and metrics over HTTP; an address that is taken is refused', async () => {
  await using net = new Internet();
  const [host, user] = [net.site('a', 'port-restricted').client, makeUser()];
  await startServer(net.server, SERVER_ADDRESS);
  const words = ['exec', '--server', SERVER_ADDRESS, '--listen', '127.0.0.1:8080', '--', 'sleep', '1000'];
  const running = asUser(host, user, ...words);
  await running.waitFor(/HTTP is answered at http:\/\/127\.0\.0\.1:8080/);
  await running.waitFor(/IPv6 address 2001:0:/);
  const read = (path: string): string => host.execute('curl', '-sS', `http://127.0.0.1:8080${path}`);
  expect(JSON.parse(read('/api/v1/status'))).toMatchObject({ role: 'client', state: 'qualified' });
  expect(read('/metrics')).toMatch(/^teredo_/m);
  const second = asUser(host, makeUser(), ...words);
  expect(await second.exited, second.output).toBe(1);
  expect(second.output).toMatch(/cannot listen at 127\.0\.0\.1:8080/);
});
