import { Command } from 'commander';
import { FORWARD_OPTIONS } from '../../runtime/settings/forward-options.ts';
import { addOptions, valuesOf } from '../flags.ts';

/** `teredo forward` */
export function forwardCommand(finish: (exitCode: number) => void): Command {
  const command = new Command('forward')
    .description('have ports of a Teredo address lead to services, without root')
    .argument(
      '<rule...>',
      "port and service: '[::]:8080=127.0.0.1:80', or 'udp:[::]:53=127.0.0.1:53', quoted for the shell",
    );
  addOptions(command, FORWARD_OPTIONS);
  return command.action(async (rules: string[]) => {
    const { runForward } = await import('../../daemon/run-forward.ts');
    finish(await runForward(valuesOf(command, FORWARD_OPTIONS), rules));
  });
}
