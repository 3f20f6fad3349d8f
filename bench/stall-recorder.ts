/**
 * Loaded into a relay before its program: records the longest time for which its event loop stood still, and prints it at SIGUSR2. Time
 * counts in which the process computed: a processor that was busy elsewhere is not the relay's fault.
 */
const EVERY_MS = 1;

let [last, used, worst] = [performance.now(), process.cpuUsage(), 0];
setInterval(() => {
  const { user, system } = process.cpuUsage(used);
  const now = performance.now();
  worst = Math.max(worst, Math.min(now - last, (user + system) / 1_000) - EVERY_MS);
  [last, used] = [now, process.cpuUsage()];
}, EVERY_MS).unref();

process.on('SIGUSR2', () => {
  process.stderr.write(`stalled ${worst.toFixed(2)}\n`);
  worst = 0;
});
