/** The longest head of an HTTP request: its first line and its headers. */
export const MAX_HEAD_BYTES = 8 << 10;

const END = Buffer.from('\r\n\r\n');

/** Whether a line begins an HTTP request; requests of the control protocol are JSON. */
export function isRequestLine(line: string): boolean {
  return /^[A-Z]{1,16} \S+ HTTP\/\d\.\d\r?$/.test(line);
}

/** The octets up to the end of the head; undefined while that has not come. */
export function headIn(octets: Buffer): Buffer | undefined {
  const end = octets.indexOf(END);
  return end < 0 ? undefined : octets.subarray(0, end + END.length);
}

/** An answer without headers of its own, for a request that is not looked at any further. */
export function shortAnswer(status: 431 | 503, reason: string): Buffer {
  return Buffer.from(`HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
