/**
 * http-daemon.mjs FOLDER: a daemon of the built program that only answers HTTP. For each line at standard input it prints the most processor time (ms) that the
 * event loop was stopped since the line before.
 */
import { createInterface } from 'node:readline';
import { ControlServer } from '../../dist/control/control-server.js';
import { lazyHttp } from '../../dist/daemon/http/lazy-http.js';
import { threadTimeMs } from '../../dist/io/thread-time.js';

const status = () => ({
  version: 1,
  name: 'it',
  role: 'relay',
  state: 'running',
  address: '192.0.2.1',
  port: 3545,
  peers: { trusted: 0, unverified: 0 },
  traffic: { receivedPackets: 0, receivedBytes: 0, sentPackets: 0, sentBytes: 0 },
  dataPath: { inUse: 'user' },
  limitsReached: [],
  counters: Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`counter${i}`, i])),
});
const source = {
  name: 'it',
  role: 'relay',
  status,
  peers: () => ({ ok: true, result: {}, list: 'peers', items: [] }),
  users: () => ({ peers: [], prefixes: [] }),
  log: () => {},
};

await ControlServer.listen(
  process.argv[2],
  'it',
  () => ({ ok: true, result: status() }),
  undefined,
  lazyHttp(source, {}),
);
console.log('ready');
let [before, longest] = [threadTimeMs(), 0];
const turn = () => {
  const now = threadTimeMs();
  longest = Math.max(longest, now - before);
  before = now;
  setImmediate(turn);
};
createInterface({ input: process.stdin }).on('line', () => {
  console.log(longest.toFixed(2));
  [before, longest] = [threadTimeMs(), 0];
});
setImmediate(turn);
