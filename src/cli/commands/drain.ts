import { Command } from 'commander';
import type { DrainStatus, RelayStatus } from '../../control/status.ts';
import { counted } from '../../runtime/counted.ts';
import { printJson, printLine } from '../output.ts';
import { askFound, findOne, reading } from './ask-daemon.ts';

const HELP = `
The route 2001::/32 leaves the relay's interface, so that a routing daemon that exports this route withdraws it. Packets that still come
are carried. Then end the relay; a restart announces it again. Only root and the user of the relay may do this. Exit status as of "teredo status".`;

/** `teredo drain`: a relay withdraws its announcement. */
export function drainCommand(): Command {
  return new Command('drain')
    .description('have a relay withdraw its announcement, before its end')
    .argument('[name]', 'the relay')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(async (name: string | undefined, { json = false }: { json?: boolean }) => {
      const relay = await askFound<RelayStatus>(await findOne(name, 'relay'), { command: 'drain' });
      reading(`"${relay.name}"`, () => {
        if (json) printJson(statusOf(relay));
        else printLine(`${relay.name} is draining: it still serves ${counted(relay.peers.trusted, 'peer')}`);
      });
    });
}

function statusOf({ name, networkNamespace, peers: { trusted, unverified } }: RelayStatus): DrainStatus {
  return { version: 1, name, networkNamespace, state: 'draining', peers: { trusted, unverified } };
}
