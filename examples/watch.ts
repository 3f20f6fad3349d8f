/** The state of the daemons of this host, and the peers with the most traffic: `node watch.js [NAME]`. */
import { ControlClient, ControlError } from 'teredo/control';

for (const daemon of await ControlClient.find(process.argv[2])) {
  const { state, reason = '', advice = '' } = await daemon.ready();
  console.log(daemon.name, state, reason, advice);
  try {
    const { peers } = await daemon.peers({ sort: 'traffic', limit: 5 });
    for (const { address, receivedBytes, sentBytes } of peers)
      console.log(' ', address, receivedBytes + sentBytes);
  } catch (error) {
    if (!(error instanceof ControlError) || error.code !== 'no-peers') throw error;
  }
}
