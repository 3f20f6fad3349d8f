/** IPv6 for this host, from your own program. Needs root: `node client.js SERVER`. */
import { Client, kernelPorts } from 'teredo';

const server = process.argv[2];
if (server === undefined) throw new Error('usage: client.js SERVER');

await using client = new Client({ servers: [server], interface: 'teredo' }, kernelPorts());
client.on('state', (state, reason) => console.log(state, reason ?? ''));
client.on('warning', (message) => console.warn(message));
await client.start();
await client.qualified(AbortSignal.timeout(60_000));
console.log(`this host is ${client.toString()}`);
await new Promise((resolve) => process.once('SIGINT', resolve));
