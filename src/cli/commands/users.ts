import { Command, Option } from 'commander';
import type { HeavyUser, UsersStatus } from '../../control/status.ts';
import { formatOctets, formatSpan } from '../../control/words.ts';
import { MOST_USERS, USER_WINDOWS } from '../../core/users/index.ts';
import type { UserWindow } from '../../core/users/index.ts';
import { printColumns, printJson, printLine } from '../output.ts';
import { countValue } from '../values.ts';
import { askOne, reading } from './ask-daemon.ts';

interface UsersOptions {
  readonly window: UserWindow;
  readonly top: number;
  readonly json?: boolean;
}

/** `teredo users`: the users of a relay with the most traffic. */
export function usersCommand(): Command {
  return new Command('users')
    .description(
      'the clients and native prefixes that use a relay most, by octets over the last minute, hour or day; memory is constant, so ' +
        'numbers may be estimates: ERROR is the most by which they are wrong',
    )
    .argument('[name]', 'the daemon')
    .addOption(new Option('--window <span>', 'the time up to now').choices(USER_WINDOWS).default('minute'))
    .option('--top <count>', 'how many clients, and how many prefixes', countValue(1, MOST_USERS), 10)
    .option('--json', 'print JSON')
    .action(async (name: string | undefined, { window, top, json }: UsersOptions) => {
      const answer = await askOne<UsersStatus>(name, { command: 'users', window, limit: top });
      if (json === true) printJson(answer);
      else reading(`"${answer.name}"`, () => printUsers(answer));
    });
}

function printUsers(answer: UsersStatus): void {
  const { windowSeconds, totalBytes, peers, prefixes } = answer;
  printLine(`last ${formatSpan(windowSeconds)}: ${formatOctets(totalBytes)} from and to clients`);
  printLine('');
  printColumns(
    ['CLIENT', 'IPV4', ...COLUMNS],
    peers.map((peer) => [peer.address, peer.mapped, ...cellsOf(peer, windowSeconds)]),
  );
  printLine('');
  printColumns(
    ['NATIVE PREFIX', ...COLUMNS],
    prefixes.map((prefix) => [prefix.prefix, ...cellsOf(prefix, windowSeconds)]),
  );
  for (const note of notesOf(answer)) printLine(`\n${note}`);
}

const COLUMNS = ['SHARE', 'IN', 'OUT', 'A SECOND', 'ERROR'];

function cellsOf({ share, receivedBytes, sentBytes, errorBytes }: HeavyUser, seconds: number): string[] {
  return [
    `${Math.round(1_000 * share) / 10} %`,
    formatOctets(receivedBytes),
    formatOctets(sentBytes),
    formatOctets((receivedBytes + sentBytes) / Math.max(1, seconds)),
    errorBytes === 0 ? 'none' : formatOctets(errorBytes),
  ];
}

function notesOf({ missedPeerBytes, missedPrefixBytes }: UsersStatus): string[] {
  const missed = [
    [missedPeerBytes, 'clients'],
    [missedPrefixBytes, 'prefixes'],
  ] as const;
  return missed
    .filter(([octets]) => octets > 0)
    .map(
      ([octets, kind]) => `There are more ${kind}: some with up to ${formatOctets(octets)} may be missing.`,
    );
}
