/**
 * A server or relay made with the library, whose access list changes while it runs: `node changing-access.mjs server ADDRESS DATA-PATH PREFIX`
 * or `relay ...`. Each SIGUSR2 denies the prefix, or allows it again. Its counters are printed to standard output, a line of JSON every 100 ms.
 */
import { ALL_NATIVE, AccessList, Relay, Server, kernelPorts } from '../../dist/index.js';
import { parseIpv4, parseIpv4Prefix } from '../../dist/wire/index.js';

const [role, text, dataPath, prefix] = process.argv.slice(2);
const address = parseIpv4(text);
const it =
  role === 'server'
    ? new Server({ address, secondary: address + 1, dataPath }, kernelPorts())
    : new Relay({ address, port: 3545, serve: ALL_NATIVE, interface: 'teredo', dataPath }, kernelPorts());
await it.start();
process.stdout.write('is running\n');
process.on('SIGUSR2', () => {
  it.setAccess(new AccessList(it.access.isOpen ? { deny: [parseIpv4Prefix(prefix)] } : {}));
  process.stdout.write(`denied: ${it.access.size}\n`);
});
setInterval(() => {
  const { counters, kernelCounters, carried, dataPath: path } = it.status();
  process.stdout.write(`${JSON.stringify({ path: path.kind, counters, kernelCounters, carried })}\n`);
}, 100);
process.on('SIGTERM', () => void it.close().then(() => process.exit(0)));
