import { Command } from 'commander';
import type { ReloadStatus } from '../../control/status.ts';
import { EXIT } from '../../daemon/exit-codes.ts';
import { inWords } from '../../daemon/reload.ts';
import { printJson, printLine } from '../output.ts';
import { askFound, findConfigured, reading } from './ask-daemon.ts';

/** `teredo reload` */
export function reloadCommand(finish: (exitCode: number) => void): Command {
  return new Command('reload')
    .description(
      'have a daemon of "teredo run" read its configuration file again: limits, access lists, servers, log level, and the contents of the files of keys and of the token change without a restart; ' +
        'exit status 2 if the file has errors (the old configuration stays), 6 if other options have changed (they need a restart)',
    )
    .argument(
      '[name]',
      'the daemon: NAME of /etc/teredo/NAME.toml, the path of its file, or its own name, if several have the same file',
    )
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, { json = false }: { json?: boolean }) => {
      const daemon = await findConfigured(name);
      const answer = await askFound<ReloadStatus>(daemon, { command: 'reload' });
      reading(`"${daemon.name}"`, () => {
        if (json) printJson(answer);
        else printLine(inWords(answer));
        if (answer.needRestart.length > 0) finish(EXIT.RESTART_NEEDED);
      });
    });
}
