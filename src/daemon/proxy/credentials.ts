import { createHash, timingSafeEqual } from 'node:crypto';
import { basicCredentialsIn } from '../../wire/http-proxy-request.ts';
import type { Credentials } from '../../wire/socks5.ts';
import { GuessLimit } from './guess-limit.ts';
import type { SourcePath } from './source-path.ts';

/** Whether a client has given the right user and password. */
export interface CredentialCheck {
  /** Of SOCKS5. */
  areRight(given: Credentials): boolean;
  /** Of HTTP: the value of `Proxy-Authorization`. RFC 7617 section 2 */
  authorize(authorization: string | undefined): boolean;
}

/** The user and password that clients must give. */
export class RequiredCredentials implements CredentialCheck {
  private readonly digest: Buffer;
  private readonly guesses = new GuessLimit();

  constructor(user: string, password: string) {
    this.digest = digestOf(Buffer.from(user), Buffer.from(password));
  }

  /** The check for the clients of a source, which may not guess without end. */
  from(source: SourcePath): CredentialCheck {
    return {
      areRight: (given) => this.guesses.check(source, () => this.areRight(given)),
      authorize: (authorization) =>
        authorization !== undefined && this.guesses.check(source, () => this.authorize(authorization)),
    };
  }

  areRight({ user, password }: Credentials): boolean {
    return timingSafeEqual(this.digest, digestOf(user, password));
  }

  authorize(authorization: string | undefined): boolean {
    const base64 = authorization === undefined ? undefined : basicCredentialsIn(authorization);
    if (base64 === undefined) return false;
    const pair = Buffer.from(base64, 'base64');
    const colon = pair.indexOf(':');
    if (colon < 0) return false;
    return this.areRight({ user: pair.subarray(0, colon), password: pair.subarray(colon + 1) });
  }
}

/** Of equal length for all, so that the comparison takes the same time. */
function digestOf(user: Uint8Array, password: Uint8Array): Buffer {
  const hash = createHash('sha256');
  return hash.update(`${user.length}:`).update(user).update(password).digest();
}
