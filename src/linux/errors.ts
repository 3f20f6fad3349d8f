import { constants } from 'node:os';

/** A system call has failed. `code`: the error's name, such as ENETUNREACH. */
export class SystemCallError extends Error {
  readonly code: string;
  readonly call: string;

  constructor(call: string, number: number) {
    const code = errorName(number);
    super(`${call}: ${code}`);
    this.name = 'SystemCallError';
    this.code = code;
    this.call = call;
  }
}

/** The name of an error number: ENOBUFS for 105. */
export function errorName(number: number): string {
  return PREFERRED[number] ?? names.get(number) ?? `errno ${number}`;
}

const names = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
/** The numbers for which Node has no name, and the one with two names of which libuv uses the other. */
const PREFERRED: Readonly<Record<number, string>> = {
  11: 'EAGAIN',
  77: 'EBADFD',
  95: 'EOPNOTSUPP',
  100: 'ENETDOWN',
  105: 'ENOBUFS',
};
