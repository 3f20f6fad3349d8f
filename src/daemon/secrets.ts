import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ClientKey } from '../core/server/index.ts';
import { faultOfFile } from '../io/trusted-files.ts';
import { toHex } from '../wire/index.ts';
import { faultOfClientId, faultOfSecret } from '../runtime/settings/rules.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';

/** More than any key file holds; a file that never ends, such as a device, ends here. */
const MOST_BYTES = 4 << 20;
const READABLE_BY_ALL = 0o004;

type Warn = (message: string) => void;

/** A client's key for secure qualification (RFC 4380 section 5.2.2): identifier and secret belong together. `warn` gets a doubt about the file. */
export function readSecret(
  clientId: string | undefined,
  file: string | undefined,
  warn: Warn = () => {},
): { clientId: Uint8Array; secret: Uint8Array } | undefined {
  if (clientId === undefined && file === undefined) return undefined;
  if (clientId === undefined || file === undefined) {
    throw new CommandFailure(EXIT.USAGE, '--client-id and --secret-file belong together: give both or none');
  }
  const secret = Buffer.from(readText(file, warn).trim());
  const id = Buffer.from(clientId);
  const [bad, badId] = [faultOfSecret(secret), faultOfClientId(id)];
  if (bad !== undefined) throw new CommandFailure(EXIT.USAGE, `${file} ${bad}`);
  if (badId !== undefined) throw new CommandFailure(EXIT.USAGE, `--client-id: "${clientId}" ${badId}`);
  return { clientId: id, secret };
}

/** A server's keys: lines of client id, secret, and perhaps "expired"; `#` begins a comment at the start of a line or behind a space. */
export function readKeys(
  file: string,
  warn: Warn = () => {},
): (clientId: Uint8Array) => ClientKey | undefined {
  const keys = new Map<string, ClientKey>();
  for (const [i, line] of readText(file, warn).split('\n').entries()) {
    const words = line
      .replace(/(^|\s)#.*/, '')
      .trim()
      .split(/\s+/);
    if (words[0] === '') continue;
    const [id, secret, flag] = words;
    if (secret === undefined || words.length > 3 || (flag !== undefined && flag !== 'expired')) {
      throw new CommandFailure(
        EXIT.USAGE,
        `${file}, line ${i + 1}: want "CLIENT-ID SECRET" or "CLIENT-ID SECRET expired"`,
      );
    }
    const key = toHex(Buffer.from(id!));
    if (keys.has(key)) {
      throw new CommandFailure(
        EXIT.USAGE,
        `${file}, line ${i + 1}: "${id}" has a key already, in a line before`,
      );
    }
    keys.set(key, { secret: Buffer.from(secret), expired: flag === 'expired' });
  }
  if (keys.size === 0) throw new CommandFailure(EXIT.USAGE, `${file} holds no keys`);
  return (clientId) => keys.get(toHex(clientId));
}

function readText(file: string, warn: Warn): string {
  let bytes: Buffer;
  try {
    const fault = faultOfFile(file, invoker());
    if (fault !== undefined) throw new Error(fault);
    bytes = readAtMost(file, MOST_BYTES + 1, warn);
  } catch (error) {
    throw new CommandFailure(EXIT.USAGE, `cannot read ${file}: ${(error as Error).message}`);
  }
  if (bytes.length <= MOST_BYTES) return bytes.toString('utf8');
  throw new CommandFailure(
    EXIT.USAGE,
    `${file} is longer than ${MOST_BYTES >> 20} MB: it is no file of keys`,
  );
}

/** The user that became root by sudo: the file may belong to it. */
function invoker(): number | undefined {
  const uid = process.env['SUDO_UID'];
  return process.getuid?.() === 0 && uid !== undefined && /^\d+$/.test(uid) ? Number(uid) : undefined;
}

function readAtMost(file: string, most: number, warn: Warn): Buffer {
  const bytes = Buffer.alloc(most);
  const descriptor = openSync(file, 'r');
  try {
    const found = fstatSync(descriptor);
    if (found.isFile() && (found.mode & READABLE_BY_ALL) !== 0)
      warn(`all users of this host can read the keys in ${file}: chmod 600 ${file}`);
    let length = 0;
    while (length < most) {
      const read = readSync(descriptor, bytes, length, most - length, null);
      if (read === 0) break;
      length += read;
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}
