/** `teredo forward`: a port of a Teredo address leads to a service of an ordinary user. */
import { expect, test } from 'vitest';
import { Internet, RELAY_ADDRESS, SERVER_ADDRESS } from '../../src/lab/index.ts';
import { makeUser } from '../support/guest.ts';
import { programOf, serviceOf } from '../support/proxy.ts';
import { startRelay, startServer } from '../support/roles.ts';

/** Services at 127.0.0.1: HTTP at port 80, which answers once the request has ended, and UDP that sends back. */
const SERVICES =
  `require('net').createServer({ allowHalfOpen: true }, (s) => { let n = 0; s.on('data', (d) => (n += d.length)); ` +
  `s.on('end', () => s.end('got ' + n)); s.on('error', () => {}); }).listen(8001, '127.0.0.1', () => console.log('listening')); ` +
  `const u = require('dgram').createSocket('udp4'); u.on('message', (m, f) => u.send('echo ' + m, f.port, f.address)); u.bind(8002, '127.0.0.1');`;
/** Sends 500,000 octets and ends its direction; sends one datagram. Prints the answers. */
const ASK = (address: string): string =>
  `const s = require('net').connect({ host: '${address}', port: 80, allowHalfOpen: true }, () => s.end(Buffer.alloc(500000))); ` +
  `s.on('data', (d) => console.log(d.toString())); s.on('error', (e) => console.log(e.code)); ` +
  `const u = require('dgram').createSocket('udp6'); u.on('message', (m) => { console.log(m.toString()); u.close(); }); ` +
  `u.send('hello', 53, '${address}'); ` +
  `const r = require('net').connect({ host: '${address}', port: 81 }); r.on('error', (e) => console.log('81: ' + e.code));`;

test('a native host reaches services of an ordinary user, and no other port', async () => {
  await using net = new Internet();
  const [host, user] = [net.site('a', 'port-restricted').client, makeUser()];
  await startServer(net.server, SERVER_ADDRESS);
  await startRelay(net.relay, RELAY_ADDRESS);
  await programOf(host, user, process.execPath, '-e', SERVICES).waitFor(/listening/);
  const forward = serviceOf(host, user, ['forward', '[::]:80=localhost:8001', 'udp:[::]:53=127.0.0.1:8002']);
  const [, address] = await forward.waitFor(
    /whole IPv6 Internet can reach these services.*: tcp \[(\S+)\]:80 leads to localhost:8001, udp \[\S+\]:53 leads to 127/,
  );
  // Of the private network alone: this host is not reachable otherwise, and has no such route.
  expect(forward.output).not.toMatch(/this host is now reachable|default route/);
  const asking = net.native.spawn(process.execPath, ['-e', ASK(address!)]);
  expect(await asking.exited, asking.output).toBe(0);
  expect(asking.stdout.trim().split('\n').sort()).toEqual(['81: ECONNREFUSED', 'echo hello', 'got 500000']);
  forward.kill('SIGTERM');
  expect(await forward.exited, forward.output).toBe(0);
});
