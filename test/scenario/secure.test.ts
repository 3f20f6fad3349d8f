import { describe, expect } from 'vitest';
import { Internet } from '../../src/sim/index.ts';
import { expectQualifiedSoon } from './support/expectations.ts';
import { seededTest } from './support/with-seed.ts';

const CLIENT_ID = new TextEncoder().encode('alice');
const KEY = new Uint8Array(20).fill(0x11);
const OTHER_KEY = new Uint8Array(20).fill(0x22);

describe('secure qualification', () => {
  seededTest('with the right key', (seed) => {
    const net = new Internet({ seed });
    net.addServer({ keys: () => ({ secret: KEY }) });
    const client = net.addClient({ secret: { clientId: CLIENT_ID, secret: KEY } });
    expectQualifiedSoon(net.world, client);
    expect(client.node.events.some(({ event }) => event.type === 'key-expired')).toBe(false);
  });

  // S-14: the server is silent, so the client cannot tell a wrong key from a dead server.
  seededTest('with a wrong key there is no answer', (seed) => {
    const net = new Internet({ seed });
    net.addServer({ keys: () => ({ secret: OTHER_KEY }) });
    const client = net.addClient({ secret: { clientId: CLIENT_ID, secret: KEY } });
    net.world.runFor(13_000);
    expect(client.machine.state).not.toBe('qualified');
    expect(client.status.reason).toBe('no-answer');
  });

  // CL-35, A-24
  seededTest('with an expired key qualifies, and says that a new one is due', (seed) => {
    const net = new Internet({ seed });
    net.addServer({ keys: () => ({ secret: KEY, expired: true }) });
    const client = net.addClient({ secret: { clientId: CLIENT_ID, secret: KEY } });
    expectQualifiedSoon(net.world, client);
    expect(client.node.events.some(({ event }) => event.type === 'key-expired')).toBe(true);
  });

  // CL-30
  seededTest('refuses the answer of a server without keys', (seed) => {
    const net = new Internet({ seed });
    net.addServer();
    const client = net.addClient({ secret: { clientId: CLIENT_ID, secret: KEY } });
    net.world.runFor(13_000);
    expect(client.machine.state).not.toBe('qualified');
  });

  seededTest('a client without a key gets no answer of a server with keys', (seed) => {
    const net = new Internet({ seed });
    net.addServer({ keys: () => ({ secret: KEY }) });
    const client = net.addClient();
    net.world.runFor(13_000);
    expect(client.machine.state).not.toBe('qualified');
  });
});
