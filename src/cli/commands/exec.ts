import { Command } from 'commander';
import { GUEST_OPTIONS } from '../../runtime/settings/guest-options.ts';
import { addOptions, valuesOf } from '../flags.ts';

/** `teredo exec` */
export function execCommand(finish: (exitCode: number) => void): Command {
  const command = new Command('exec')
    .description('run a program with IPv6 through Teredo, without root')
    .argument('<program...>', 'the program and its words, behind --')
    .passThroughOptions();
  addOptions(command, GUEST_OPTIONS);
  return command.action(async (words: string[]) => {
    const values = valuesOf(command, GUEST_OPTIONS);
    const { beginGuest } = await import('../../daemon/begin-guest.ts');
    const making = beginGuest(words);
    const { runExec } = await import('../../daemon/run-exec.ts');
    const end = await runExec(values, making);
    if (!('signal' in end)) return finish(end.status);
    process.removeAllListeners(end.signal);
    process.kill(process.pid, end.signal);
  });
}
