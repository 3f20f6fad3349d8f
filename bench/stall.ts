/** The longest stall of a thread, in milliseconds. */
export interface Stall {
  /** In time of the thread itself. */
  readonly thread: number;
  /** In all time, in which the thread may have waited for a processor. */
  readonly all: number;
  /** Time of the thread from the begin of the record to its end. */
  readonly ran: number;
}

export const NO_STALL: Stall = { thread: 0, all: 0, ran: 0 };
