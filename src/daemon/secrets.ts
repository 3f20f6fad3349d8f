import type { ClientKey } from '../core/server/index.ts';
import { toHex } from '../wire/index.ts';
import type { ServerKeys } from '../runtime/server-keys.ts';
import { faultOfClientId, faultOfSecret } from '../runtime/settings/rules.ts';
import { CommandFailure, EXIT } from './exit-codes.ts';
import { readOperatorFile } from './read-file.ts';
import { inShell } from './in-shell.ts';
import { readableForUnit } from './unit-account.ts';

/** A server may have many clients with keys. */
const FILE_OF_KEYS = { name: 'file of keys', mostKilobytes: 4_096 };

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
  const secret = readSecretFile(file, warn);
  const id = Buffer.from(clientId);
  const badId = faultOfClientId(id);
  if (badId !== undefined) throw new CommandFailure(EXIT.USAGE, `--client-id: "${clientId}" ${badId}`);
  return { clientId: id, secret };
}

/** The secret alone. Throws a CommandFailure. */
export function readSecretFile(file: string, warn: Warn = () => {}): Uint8Array {
  const secret = Buffer.from(readText(file, warn).trim());
  const bad = faultOfSecret(secret);
  if (bad !== undefined) throw new CommandFailure(EXIT.USAGE, `${file} ${bad}`);
  return secret;
}

/** A server's keys: lines of client id, secret, and perhaps "expired"; `#` begins a comment at the start of a line or behind a space. */
export function readKeys(file: string, warn: Warn = () => {}): ServerKeys {
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
  return keys;
}

function readText(file: string, warn: Warn): string {
  return readOperatorFile(file, FILE_OF_KEYS, () =>
    warn(
      `all users of this host can read the keys in ${file}: chmod 600 ${inShell(file)}, or for the systemd unit: ${readableForUnit(file)}`,
    ),
  );
}
