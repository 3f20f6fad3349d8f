import { Command, InvalidArgumentError, Option } from 'commander';
import {
  CONE_FLAG,
  RANDOM_FLAGS,
  formatEndpoint,
  formatIpv4,
  formatIpv6,
  isTeredo,
  makeTeredoAddress,
  parseIpv6,
  parseTeredoAddress,
} from '../../wire/index.ts';
import type { Endpoint } from '../../wire/index.ts';
import { CommandFailure, EXIT } from '../../daemon/exit-codes.ts';
import { printJson, printTable } from '../output.ts';
import { wholeNumberOf } from '../../runtime/settings/parse.ts';
import { endpointValue, hostAddressValue } from '../values.ts';

/** `teredo address`: the contents of a Teredo address, and the address with given contents. RFC 4380 section 4 */
export function addressCommand(): Command {
  const command = new Command('address').description('decode a Teredo address; "address make" encodes one');
  command
    .argument('[address]', 'an IPv6 address')
    .option('--json', 'print JSON')
    .action((text: string | undefined, options: { json?: boolean }) => {
      if (text === undefined) return command.help({ error: true });
      decode(text, options.json ?? false);
    });
  command.addCommand(makeCommand());
  return command;
}

function decode(text: string, json: boolean): void {
  const address = parseIpv6(text);
  if (address === undefined) throw new CommandFailure(EXIT.USAGE, `"${text}" is not an IPv6 address`);
  const parts = isTeredo(address, 0) ? parseTeredoAddress(address, 0) : undefined;
  if (parts === undefined) {
    if (json) printJson({ version: 1, address: formatIpv6(address), teredo: false });
    throw new CommandFailure(
      EXIT.FAILED,
      `${formatIpv6(address)} is no Teredo address: those begin with 2001:0000`,
    );
  }
  const mapped = formatEndpoint({ address: parts.mappedAddress, port: parts.mappedPort });
  const flags = `0x${parts.flags.toString(16).padStart(4, '0')}`;
  const cone = (parts.flags & CONE_FLAG) !== 0;
  if (json) {
    printJson({
      version: 1,
      address: formatIpv6(address),
      teredo: true,
      server: formatIpv4(parts.server),
      mapped,
      mappedAddress: formatIpv4(parts.mappedAddress),
      mappedPort: parts.mappedPort,
      flags,
      cone,
    });
    return;
  }
  printTable([
    ['address', formatIpv6(address)],
    ['server', formatIpv4(parts.server)],
    ['client', mapped],
    ['flags', `${flags}${cone ? ' (cone NAT)' : ''}`],
  ]);
}

interface MakeOptions {
  readonly server: number;
  readonly client: Endpoint;
  readonly cone?: boolean;
  readonly flags: number;
  readonly json?: boolean;
}

function makeCommand(): Command {
  return new Command('make')
    .description('encode a Teredo address')
    .requiredOption('--server <address>', "the server's IPv4 address", hostAddressValue)
    .requiredOption('--client <address:port>', "the client's mapped IPv4 address and port", endpointValue)
    .option('--cone', 'set the cone flag')
    .addOption(
      new Option('--flags <number>', 'the twelve random bits, as a number (mask 0x3cff)')
        .default(0)
        .argParser(flagsValue),
    )
    .option('--json', 'print JSON')
    .action((_local: unknown, command: Command) => {
      const options = command.optsWithGlobals<MakeOptions>();
      const flags = options.flags | (options.cone === true ? CONE_FLAG : 0);
      const address = formatIpv6(
        makeTeredoAddress({
          server: options.server,
          flags,
          mappedAddress: options.client.address,
          mappedPort: options.client.port,
        }),
      );
      if (options.json === true) printJson({ version: 1, address });
      else process.stdout.write(`${address}\n`);
    });
}

/** The cone flag has an option of its own; universal and group bit are 0. RFC 5991 section 3.1 */
function flagsValue(text: string): number {
  const value = /^0x[0-9a-f]{1,4}$/i.test(text) ? Number(text) : wholeNumberOf(text, 0, RANDOM_FLAGS);
  if (value === undefined || (value & ~RANDOM_FLAGS) !== 0)
    throw new InvalidArgumentError(`"${text}" has other bits than those of 0x3cff.`);
  return value;
}
