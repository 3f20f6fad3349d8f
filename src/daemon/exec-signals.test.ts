import { afterEach, expect, test } from 'vitest';
import { ExecSignals } from './exec-signals.ts';

let signals: ExecSignals;
afterEach(() => signals.close());

/** Signals of a process whose group got these, although the process has not looked at them yet. */
function signalsOfGroup(...got: readonly NodeJS.Signals[]): ExecSignals {
  const isOfGroup = (signal: NodeJS.Signals): Promise<boolean> => Promise.resolve(got.includes(signal));
  signals = new ExecSignals({ ready: Promise.resolve(), isOfGroup, close: () => {} });
  return signals;
}

test('a program that Ctrl-C has ended ends the command by SIGINT, also when its end is known before the signal', async () => {
  expect(await signalsOfGroup('SIGINT').endOf({ status: 130 })).toEqual({ signal: 'SIGINT' });
});

test.for([0, 3, 127, 128, 130, 143, 255])(
  'a program that ends by itself with status %i ends the command with it',
  async (status) => {
    expect(await signalsOfGroup().endOf({ status })).toEqual({ status });
  },
);
