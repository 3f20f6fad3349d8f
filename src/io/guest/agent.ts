import { existsSync, writeSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { SystemCallError, errorName } from '../../linux/errors.ts';
import { receiveMessage, sendMessage } from '../../linux/guest/channel.ts';
import {
  GUEST_DESCRIPTORS,
  become,
  openGuestDescriptors,
  prepareMounts,
  prepareNetwork,
} from '../../linux/guest/inside.ts';

/** The agent's end of the channel, and the standard error of the guest's program: that of the agent is the client's. */
export const [CHANNEL, PROGRAM_STDERR] = [3, 4];

/** The agent's first message. */
export type Hello =
  | { readonly isResolverNamed: boolean; readonly names: readonly string[] }
  | { readonly call: string; readonly code: string };

/** The client's message: the agent becomes its program. */
export interface Begin {
  readonly ignored: readonly number[];
  readonly isPrivate: boolean;
}

/**
 * Runs inside the guest: opens the descriptors that the client outside needs. Then it becomes the program `words`, if there are any, and returns only
 * when it cannot: with the exit status. The mounts of a guest with a program are its own.
 */
export function runAgent(words: readonly string[]): number {
  try {
    prepareNetwork();
    const isResolverNamed = words.length > 0 && prepareMounts();
    const open = openGuestDescriptors();
    const names = GUEST_DESCRIPTORS.filter((name) => open[name] >= 0);
    say(
      { isResolverNamed, names },
      names.map((name) => open[name]),
    );
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    say({ call: error.call, code: error.code });
    return 1;
  }
  if (words.length === 0) return 0;
  const message = receiveMessage(CHANNEL);
  if (message === undefined) return 1; // the client has ended
  const { ignored, isPrivate } = JSON.parse(message.text) as Begin;
  const code = errorName(become(words, PROGRAM_STDERR, ignored, isPrivate));
  const isMissing = code === 'ENOENT' || (code === 'EACCES' && !isInPath(words[0]!));
  writeSync(2, `teredo: cannot run ${words[0]}: ${isMissing ? 'no such program' : code}\n`);
  return isMissing ? 127 : 126;
}

/** A folder in PATH that this user may not search makes a missing program look like a forbidden one. */
function isInPath(program: string): boolean {
  if (program.includes('/')) return true;
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}

function say(hello: Hello, descriptors: readonly number[] = []): void {
  sendMessage(CHANNEL, JSON.stringify(hello), descriptors);
}
