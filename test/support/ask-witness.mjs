/** Sends signals to its own process group while another question waits, and prints how many of them were seen as the group's. */
import { GroupWitness } from '../../dist/io/group-witness.js';

const ROUNDS = 40;
const witness = new GroupWitness();
await witness.ready;
let ofGroup = 0;
let next = () => {};
process.on('SIGUSR1', async () => {
  if (await witness.isOfGroup('SIGUSR1')) ofGroup++;
  next();
});
for (let i = 0; i < ROUNDS; i++) {
  const handled = new Promise((resolve) => (next = resolve));
  void witness.isOfGroup('SIGURG');
  process.kill(0, 'SIGUSR1');
  const until = performance.now() + 20; // the witness has named the signal and answered when this process looks at either
  while (performance.now() < until);
  await handled;
}
witness.close();
process.stdout.write(`${ofGroup} of ${ROUNDS}\n`);
