import { Command, InvalidArgumentError } from 'commander';
import { GUEST_OPTIONS } from '../../runtime/settings/guest-options.ts';
import { addOptions, valuesOf } from '../flags.ts';

/** The largest number of a process (PID_MAX_LIMIT). */
const LARGEST_PID = 4_194_304;

const HELP = `
Adds the interface to the network namespace of this process, and stays in the foreground until the process ends or a signal comes.
Exit status: 0 after the end of the process or SIGTERM; 130 after Ctrl-C; 1 failed; 4 not permitted.`;

/** `teredo attach` */
export function attachCommand(finish: (exitCode: number) => void): Command {
  const command = new Command('attach')
    .description('give a running container IPv6 through Teredo, without root')
    .argument('<pid>', 'a process of the container, by its number on this host', pidOf);
  addOptions(command, GUEST_OPTIONS);
  return command.addHelpText('after', HELP).action(async (pid: number) => {
    const { runAttach } = await import('../../daemon/run-attach.ts');
    finish(await runAttach(valuesOf(command, GUEST_OPTIONS), pid));
  });
}

function pidOf(text: string): number {
  const pid = Number(text);
  if (/^[1-9]\d*$/.test(text) && pid <= LARGEST_PID) return pid;
  throw new InvalidArgumentError('It has to be the number of a process.');
}
