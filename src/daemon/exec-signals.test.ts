import { setImmediate } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { eventually } from '../../test/support/eventually.ts';
import type { Guest } from '../io/guest/guest.ts';
import { ExecSignals } from './exec-signals.ts';

let signals: ExecSignals;
afterEach(() => {
  signals.close();
  vi.restoreAllMocks();
});

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

/** A guest of this process's group, whose processes stop when told. */
function slowGuest(): { readonly guest: Guest; readonly stop: () => void } {
  let stop!: () => void;
  const groupStopped = new Promise<void>((resolve) => (stop = resolve));
  return { guest: { isInOwnGroup: true, groupStopped: () => groupStopped } as unknown as Guest, stop };
}

test('Ctrl-Z: the shell gets the terminal back when no process of the program can read from it any more', async () => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  const { guest, stop } = slowGuest();
  signalsOfGroup('SIGTSTP').passTo(guest);
  process.emit('SIGTSTP');
  await setImmediate();
  expect(kill).not.toHaveBeenCalled();
  stop();
  await eventually(() => expect(kill).toHaveBeenCalledExactlyOnceWith(process.pid, 'SIGTSTP'));
});

test('a process that is told to go on before it has stopped does not stop', async () => {
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
  const { guest, stop } = slowGuest();
  signalsOfGroup('SIGTSTP', 'SIGCONT').passTo(guest);
  process.emit('SIGTSTP');
  process.emit('SIGCONT');
  stop();
  await setImmediate();
  expect(kill).not.toHaveBeenCalled();
});
