/** Options from the environment: `TEREDO_LOCAL_SAME_NAT=true` is `--local-same-nat`. */
import { CommandFailure, EXIT } from '../exit-codes.ts';
import { flagOf } from '../../runtime/settings/option.ts';
import type { Options, SwitchOption, ValueOption } from '../../runtime/settings/option.ts';
import { ValueError } from '../../runtime/settings/parse.ts';
import { printable, quoted } from '../../runtime/settings/quoted.ts';
import { faultOfChoice, faultOfSwitch } from '../../runtime/settings/rules.ts';
import type { GivenValues } from './layers.ts';
import { orNearest } from './nearest.ts';
import { ROLES } from './roles.ts';

const PREFIX = 'TEREDO_';
/** Folders of the program. */
const FOLDERS = ['TEREDO_RUNTIME_DIR', 'TEREDO_CONFIG_DIR'];
/** Variables of this program's own tests. */
const OF_TESTS = /^TEREDO_(?:TEST|FUZZ|KERNEL)_|^TEREDO_(?:SEED|KERNEL|VARIANTS)$/;

/**
 * Kubernetes and Docker's links make such variables by themselves for a Service or container named "teredo", "teredo-server" ...:
 * TEREDO_SERVICE_HOST, TEREDO_SERVER_SERVICE_PORT, TEREDO_PORT=udp://10.0.0.1:3544, TEREDO_PORT_3544_UDP_ADDR, TEREDO_ENV_HOME,
 * TEREDO_NAME=/web/teredo.
 */
const OF_CONTAINERS = [
  /^TEREDO_(?:\w+_)?SERVICE_HOST=/,
  /^TEREDO_(?:\w+_)?PORT=(?:udp|tcp|sctp):\/\//,
  /^TEREDO_(?:\w+_)?PORT_\d+_(?:UDP|TCP|SCTP)(?:_(?:PROTO|PORT|ADDR|START|END))?=/,
  /^TEREDO_(?:\w+_)?ENV_\w+=/,
  /^TEREDO_(?:\w+_)?NAME=\//,
];

/** The variable of an option. */
export function variableOf(name: string, option: Options[string]): string {
  return `${PREFIX}${flagOf(name, option).replaceAll('-', '_').toUpperCase()}`;
}

/** As {@link readEnvironment}. Throws a CommandFailure that lists all errors. */
export function fromEnvironment(options: Options, env: NodeJS.ProcessEnv): GivenValues {
  const { values, faults } = readEnvironment(options, env);
  if (faults.length === 0) return values;
  const [only, ...more] = faults;
  if (more.length === 0) throw new CommandFailure(EXIT.USAGE, `environment: ${only}`);
  throw new CommandFailure(EXIT.USAGE, `the environment has ${faults.length} errors:`, [only!, ...more]);
}

/**
 * The values that the environment gives to the options of a role. The faults name each variable with a wrong value, and each that is no option
 * of any role. An option of another role is left out: one environment may be that of several daemons.
 */
export function readEnvironment(
  options: Options,
  whole: NodeJS.ProcessEnv,
): { readonly values: GivenValues; readonly faults: readonly string[] } {
  const env = withoutContainers(whole);
  const faults = unknownVariables(options, env);
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(options)) {
    const variable = variableOf(name, option);
    const text = env[variable];
    if (text === undefined) continue;
    try {
      values[name] = 'kind' in option ? valueOf(option, text) : switchOf(option, text);
    } catch (error) {
      if (!(error instanceof ValueError)) throw error;
      faults.push(`${variable}: ${error.message}`);
    }
  }
  return { values, faults: faults.map(printable) };
}

function withoutContainers(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isOfContainers = (name: string, text: string | undefined): boolean =>
    OF_CONTAINERS.some((form) => form.test(`${name}=${text}`)) || isPortOfService(name, env);
  return Object.fromEntries(Object.entries(env).filter(([name, text]) => !isOfContainers(name, text)));
}

/** Kubernetes gives the ports of a Service together with its host. Alone such a variable is a mistake, for example for TEREDO_PORT. */
function isPortOfService(name: string, env: NodeJS.ProcessEnv): boolean {
  const service = /^(TEREDO_(?:\w+_)?SERVICE)_PORT(?:_\w+)?$/.exec(name)?.[1];
  return service !== undefined && env[`${service}_HOST`] !== undefined;
}

function unknownVariables(options: Options, env: NodeJS.ProcessEnv): string[] {
  const own = variablesOf(options);
  const known = [...FOLDERS, ...Object.values(ROLES).flatMap((role) => variablesOf(role.options))];
  return Object.keys(env)
    .filter(
      (variable) => variable.startsWith(PREFIX) && !known.includes(variable) && !OF_TESTS.test(variable),
    )
    .map((variable) => `${variable} is no option${nearestTo(variable, own) || nearestTo(variable, known)}`);
}

function nearestTo(variable: string, known: readonly string[]): string {
  return orNearest(variable, known, PREFIX);
}

function variablesOf(options: Options): string[] {
  return Object.entries(options).map(([name, option]) => variableOf(name, option));
}

/** Of an option that may be given more than once, each word is one value. */
function valueOf({ kind }: ValueOption<unknown>, text: string): unknown {
  if (kind.choices !== undefined) refuse(text, faultOfChoice(text, kind.choices));
  if (kind.fileType !== 'texts' && kind.fileType !== 'limits') return kind.parse(text);
  let value: unknown;
  for (const word of text.split(/[\s,]+/).filter((part) => part !== '')) value = kind.parse(word, value);
  return value;
}

function switchOf({ choices }: SwitchOption<unknown>, text: string): unknown {
  if (choices !== undefined) refuse(text, faultOfChoice(text, choices));
  if (choices !== undefined) return text;
  const value = { true: true, false: false }[text];
  refuse(text, faultOfSwitch(value));
  return value;
}

function refuse(text: string, fault: string | undefined): void {
  if (fault !== undefined) throw new ValueError(`${quoted(text)} ${fault}`);
}
