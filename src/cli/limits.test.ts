import { Command } from 'commander';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { CLIENT_LIMITS } from '../core/client/index.ts';
import { RELAY_LIMITS } from '../core/relay/index.ts';
import { SERVER_LIMITS } from '../core/server/index.ts';
import { limitOption } from '../runtime/settings/common-options.ts';
import { limitsWith } from '../runtime/settings/limits.ts';
import { addOptions, valuesOf } from './flags.ts';
import { clientCommand } from './roles/client.ts';
import { hostRelayCommand, relayCommand } from './roles/relay.ts';
import { serverCommand } from './roles/server.ts';

function parse<L extends object>(defaults: L, ...args: string[]): L {
  const options = { limits: limitOption(defaults) };
  const command = addOptions(new Command('role'), options)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  command.parse(args, { from: 'user' });
  return limitsWith(defaults, valuesOf(command, options).limits);
}

describe('--limit', () => {
  test('without it the defaults hold', () => {
    expect(parse(RELAY_LIMITS)).toEqual(RELAY_LIMITS);
  });

  test('changes the named limit and nothing else', () => {
    const limits = parse(RELAY_LIMITS, '--limit', 'by-source.shared.per-second=2.5', 'peers.trusted=1000');
    expect(limits).toEqual({
      ...RELAY_LIMITS,
      peers: { ...RELAY_LIMITS.peers, trusted: 1_000 },
      bySource: {
        ...RELAY_LIMITS.bySource,
        shared: { ...RELAY_LIMITS.bySource.shared, perSecond: 2.5 },
      },
    });
  });

  test('may be repeated; the last word counts', () => {
    const limits = parse(
      SERVER_LIMITS,
      '--limit',
      'answers.shared.burst=1',
      '--limit',
      'answers.shared.burst=2',
    );
    expect(limits.answers.shared.burst).toBe(2);
  });

  test.for([
    ['peers.trusted=0', /"0" is not a whole number from 1 to/],
    ['peers.trusted=1.5', /"1.5" is not a whole number/],
    ['peers.trusted=9999999999', /is not a whole number from 1 to/],
    ['icmp-errors.per-second=-1', /"-1" is not a number from 0/],
    ['icmp-errors.per-second=', /"" is not a number/],
    ['icmp-errors=3', /there is no limit "icmp-errors"/],
    ['peers', /"peers" is not a limit such as peers.trusted=100/],
    ['a=b=c', /is not a limit such as/],
  ] as const)('%s: refused', ([text, message]) => {
    expect(() => parse(CLIENT_LIMITS, '--limit', text)).toThrow(message);
  });

  test.for([
    ['client', clientCommand, CLIENT_LIMITS, 'bubbles-to-peer, proofs, control-socket'],
    ['relay', relayCommand, RELAY_LIMITS, 'bubbles-to-peer, proofs, control-socket'],
    ['host-relay', hostRelayCommand, RELAY_LIMITS, 'bubbles-to-peer, proofs, control-socket'],
    ['server', serverCommand, SERVER_LIMITS, 'control-socket'],
  ] as const)(
    '--help-limits lists all limits of a %s in short, and runs nothing',
    ([, makeCommand, defaults, fixed]) => {
      let [printed, hasRun] = ['', false];
      const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
        printed += String(text);
        return true;
      });
      onTestFinished(() => write.mockRestore());
      const command = makeCommand(() => {}).exitOverride();
      command.action(() => {
        hasRun = true;
      });
      expect(() => command.parse(['--help-limits'], { from: 'user' })).toThrow(
        expect.objectContaining({ exitCode: 0 }) as Error,
      );
      const numbers = JSON.stringify(defaults).match(/:\d/g)!.length;
      expect(printed.match(/^ {2}[a-z.-]+=[\d.]+$/gm)).toHaveLength(numbers);
      expect(printed).not.toMatch(/\.\d{6}/);
      expect(printed).toMatch(new RegExp(`^Fixed, but named in the log, too: ${fixed}$`, 'm'));
      expect(hasRun).toBe(false);
      expect(command.helpInformation()).not.toContain('.burst=');
    },
  );
});
