/**
 * A client or relay made with the library, whose data path changes while it runs: `node switching.mjs client SERVER` or
 * `node switching.mjs relay ADDRESS`. Each SIGUSR2 switches between kernel path and user path; the first one to the kernel path.
 */
import { ALL_NATIVE, Client, Relay, kernelPorts } from '../../dist/index.js';
import { parseIpv4 } from '../../dist/wire/index.js';

const [role, text] = process.argv.slice(2);
const address = parseIpv4(text);
const common = { interface: 'teredo', dataPath: 'kernel' };
const it =
  role === 'client'
    ? new Client({ servers: [{ primary: address, secondary: address + 1 }], ...common }, kernelPorts())
    : new Relay({ address, port: 3545, serve: ALL_NATIVE, ...common }, kernelPorts());
it.on('data-path', ({ kind }) => process.stdout.write(`path ${kind}\n`));
await it.start();
process.stdout.write('is running\n');
process.on('SIGUSR2', () => it.setDataPath(it.dataPath.kind === 'kernel' ? 'user' : 'kernel'));
process.on('SIGTERM', () => void it.close().then(() => process.exit(0)));
