/** Prints the events of the daemons of this host as they happen: `node watch.js [NAME]`. */
import { ControlClient } from 'teredo/control';

async function watch(daemon: ControlClient): Promise<void> {
  let state = '';
  for await (const event of daemon.events()) {
    if (event.type === 'log') console.log(daemon.name, event.event.time, event.event.message);
    else if (event.status.state !== state) console.log(daemon.name, (state = event.status.state));
  }
}

const daemons = await ControlClient.find(process.argv[2]);
if (daemons.length === 0) throw new Error('no teredo daemon is running here');
await Promise.all(daemons.map(watch));
