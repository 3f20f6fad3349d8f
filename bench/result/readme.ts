import { firstReply, roundTrip, tcpRate } from './names.ts';
import type { Results } from './results.ts';
import type { Seat } from '../seats.ts';
import { median } from './statistics.ts';

/** Replaces the lines of the README's comparison with miredo. Text without these lines is an error. */
export function withReadmeFigures(text: string, results: Results): string {
  const of = (figure: string, seat: Seat): string => {
    const value = median(results.values(figure, seat));
    return Number.isFinite(value) ? value.toFixed(value < 10 ? 2 : 0) : '-';
  };
  const line = (what: string, figure: string): string => {
    const [plain, miredo, user, kernel] = (['plain', 'miredo', 'user', 'kernel'] as const).map((seat) =>
      of(figure, seat),
    );
    return `| ${what} (plain IPv4: ${plain}) | ${miredo} | user path ${user}, kernel path **${kernel}** |`;
  };
  const first = (['fromClient', 'fromNative'] as const).map((from) => firstReply(from));
  const best = first.map((figure) => of(figure, 'miredo')).sort();
  const ours = first.flatMap((figure) => [of(figure, 'user'), of(figure, 'kernel')]).sort();
  const lines: readonly (readonly [RegExp, string])[] = [
    [/^\| TCP, client to native host.*$/m, line('TCP, client to native host, Mbit/s', tcpRate('nic', 'up'))],
    [/^\| the other direction.*$/m, line('the other direction', tcpRate('nic', 'down'))],
    [/^\| round trip at idle, ms.*$/m, line('round trip at idle, ms', roundTrip('warm', 'p50'))],
    [
      /^\| first answer of a new peer.*$/m,
      `| first answer of a new peer, ms | ${best[0]} | ${ours[0]} to ${ours.at(-1)} |`,
    ],
  ];
  return lines.reduce((page, [old, now]) => {
    if (!old.test(page)) throw new Error(`the README has no line ${old.source}`);
    return page.replace(old, now);
  }, text);
}
