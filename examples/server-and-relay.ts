/** Your own server and relay in one process. Needs root: `node server-and-relay.js ADDRESS`. */
import { ALL_NATIVE, Relay, Server, kernelPorts } from 'teredo';
import { parseIpv4 } from 'teredo/wire';

const address = parseIpv4(process.argv[2] ?? '');
if (address === undefined) throw new Error('usage: server-and-relay.js IPV4-ADDRESS');

await using server = new Server({ address, secondary: address + 1 }, kernelPorts());
await using relay = new Relay({ address, port: 3545, interface: 'teredo', serve: ALL_NATIVE }, kernelPorts());
await server.start();
await relay.start();
console.log('running', server.counters, relay.counters);
await new Promise((resolve) => process.once('SIGINT', resolve));
