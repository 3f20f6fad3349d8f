import type { Context } from 'hono';

const CODES = {
  400: 'bad-request',
  401: 'no-token',
  403: 'not-permitted',
  404: 'not-found',
  405: 'not-permitted',
  421: 'other-host',
  429: 'busy',
  500: 'internal',
} as const;

/** As the control protocol refuses. */
export function refused(c: Context, status: keyof typeof CODES, message: string): Response {
  return c.json({ ok: false, code: CODES[status], message }, status);
}
