import type { EnvironmentErrorCode } from '../errors.ts';

/** The agent's end of the channel, and the standard error of the guest's program: that of the agent is the client's. */
export const [CHANNEL, PROGRAM_STDERR] = [3, 4];

/** The agent's first message: its descriptors, or why there are none. Those behind the `names` are UDP sockets. */
export type Hello =
  | { readonly isResolverNamed: boolean; readonly names: readonly string[] }
  | { readonly call: string; readonly code: string }
  | { readonly code: EnvironmentErrorCode; readonly message: string };

/** The client's message: the agent becomes its program. */
export interface Begin {
  readonly ignored: readonly number[];
  readonly isPrivate: boolean;
}
