/** The longest head of an HTTP request: its first line and its headers. */
export const MAX_HEAD_BYTES = 8 << 10;

const END = Buffer.from('\r\n\r\n');

/** Whether a line begins an HTTP request; requests of the control protocol are JSON. */
export function isRequestLine(line: string): boolean {
  return /^[A-Z]{1,16} \S+ HTTP\/\d\.\d\r?$/.test(line);
}

/** Whether the request is of a version that is read here: one of HTTP/2 begins with such a line, too. */
export function isVersion1(requestLine: string): boolean {
  return / HTTP\/1\.\d\r?$/.test(requestLine);
}

/** The octets up to the end of the head; undefined while that has not come. */
export function headIn(octets: Buffer): Buffer | undefined {
  const end = octets.indexOf(END);
  return end < 0 ? undefined : octets.subarray(0, end + END.length);
}

/** An answer for a request that is not looked at any further. `headers`: those of its own, each with its end of line. */
export function shortAnswer(status: 405 | 431 | 503 | 505, reason: string, headers = ''): Buffer {
  return Buffer.from(
    `HTTP/1.1 ${status} ${reason}\r\nConnection: close\r\nContent-Length: 0\r\n${headers}\r\n`,
  );
}
