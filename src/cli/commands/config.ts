import { Command } from 'commander';
import { configure, faultsWithFiles } from '../../daemon/configuration/configure.ts';
import { notesOnEnvironment } from '../../daemon/configuration/environment-notes.ts';
import { filesNamed } from '../../daemon/configuration/named-files.ts';
import { configurationPath } from '../../daemon/configuration/path.ts';
import { ROLES } from '../../daemon/configuration/roles.ts';
import { inWords } from '../../daemon/configuration/words.ts';
import { UNIT_ACCOUNT, obstaclesOf } from '../../daemon/unit-account.ts';
import { printable } from '../../runtime/settings/quoted.ts';
import { printColumns, printJson, printLine } from '../output.ts';
import { CONFIGURATION, parserOf, withFlagsOfRole } from './run.ts';

/** `teredo config` */
export function configCommand(): Command {
  return new Command('config')
    .description('check and show configuration files')
    .addCommand(checkCommand())
    .addCommand(showCommand())
    .addCommand(schemaCommand());
}

function checkCommand(): Command {
  return new Command('check')
    .description(
      'find all errors of a configuration file and of the files that it names; exit status 2 if there are any. Also notes TEREDO_* variables that are wrong or change a value, and, as root, warns of files that the systemd unit may not read',
    )
    .argument(...CONFIGURATION)
    .action(async (given: string) => {
      const path = configurationPath(given);
      const { role, values, layers } = await configure(path, () => ({}), {}, faultsWithFiles);
      const name = values['name'] as string | undefined;
      printLine(`${path}: no errors, a ${role}${name === undefined ? '' : ` "${name}"`}`);
      for (const note of notesOnEnvironment(role, layers[0]!.values, process.env))
        process.stderr.write(`note: ${note}\n`);
      for (const { file, reason } of obstaclesOf(UNIT_ACCOUNT, [
        path,
        ...filesNamed(values).map(([, file]) => file),
      ]))
        process.stderr.write(
          `warning: the systemd unit cannot read ${printable(file)}: ${printable(reason)}\n`,
        );
    });
}

function showCommand(): Command {
  return withFlagsOfRole(
    new Command('show').description(
      'show the value of each option as "teredo run" would take it here, and its source: default, file, variable or flag',
    ),
  )
    .option('--json', 'print JSON')
    .action(async (given: string, flags: readonly string[], { json = false }: { json?: boolean }) => {
      const { role, path, effective, layers } = await configure(configurationPath(given), parserOf(flags));
      const shown = inWords(ROLES[role].options, effective, layers);
      if (json) return printJson({ version: 1, role, file: path, options: shown });
      printColumns(
        ['OPTION', 'VALUE', 'SOURCE'],
        [['role', role, 'file'], ...shown.map(({ option, value, source }) => [option, value, source])],
      );
    });
}

function schemaCommand(): Command {
  return new Command('schema')
    .description('print the JSON Schema of configuration files, for editors')
    .action(async () => {
      const { jsonSchema } = await import('../../daemon/configuration/load.ts');
      printLine(JSON.stringify(jsonSchema(), undefined, 2));
    });
}
