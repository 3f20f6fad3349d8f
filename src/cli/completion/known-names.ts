import { findSockets } from '../../control/control-client.ts';
import type { PeersStatus } from '../../control/status.ts';
import { configurationNames } from '../../daemon/configuration/path.ts';
import { askHere } from '../commands/ask-daemon.ts';
import type { KnownNames } from './candidates.ts';

/** How many peers of a daemon are offered. */
const MOST_PEERS = 200;
/** A person waits for the answer. */
const PATIENCE_MS = 500;

/** The daemons that run here, and their peers. */
export const NAMES_HERE: KnownNames = {
  daemons: () => [...new Set(findSockets().sockets.map(({ name }) => name))],

  configurations: configurationNames,

  async peers() {
    const answers = await withinPatience(askHere<PeersStatus>({ command: 'peers', limit: MOST_PEERS }));
    return [...new Set(answers.flatMap(({ peers }) => peers.map(({ address }) => address)))];
  },
};

/** The answers, or none where they take too long or no daemon may be asked. */
async function withinPatience<T>(answers: Promise<ReadonlyMap<string, T>>): Promise<T[]> {
  const none = new Map<string, T>();
  const patience = new Promise<typeof none>((resolve) =>
    setTimeout(() => resolve(none), PATIENCE_MS).unref(),
  );
  const found = await Promise.race([answers.catch(() => none), patience]);
  return [...found.values()];
}
