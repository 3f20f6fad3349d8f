import { CommandFailure, EXIT } from '../exit-codes.ts';
import { inShell } from '../in-shell.ts';
import { isOfThisHost, placeInWords } from '../../runtime/settings/proxy-place.ts';
import type { ProxyPlace } from '../../runtime/settings/proxy-place.ts';
import { readOperatorFile } from '../read-file.ts';
import { RequiredCredentials } from './credentials.ts';

const FILE_OF_PASSWORD = { name: 'file of a password', mostKilobytes: 1 };
/** RFC 1929 section 2. */
const MOST_OCTETS = 255;

export interface Access {
  readonly listen: ProxyPlace;
  readonly user: string | undefined;
  readonly passwordFile: string | undefined;
}

/** What clients have to give, if anything. An address that other hosts reach needs a password: no proxy is open to all by mistake. Throws a CommandFailure. */
export function requiredCredentials({ listen, user, passwordFile }: Access): RequiredCredentials | undefined {
  if ((user === undefined) !== (passwordFile === undefined))
    throw new CommandFailure(EXIT.USAGE, '--user and --password-file belong together: give both or none');
  if (user !== undefined) return new RequiredCredentials(checkedUser(user), readPassword(passwordFile!));
  if (isOfThisHost(listen)) return undefined;
  throw new CommandFailure(
    EXIT.USAGE,
    `--listen: other hosts reach ${placeInWords(listen)}: that needs --user and --password-file`,
  );
}

/** RFC 1929 section 2, RFC 7617 section 2. */
function checkedUser(user: string): string {
  const length = Buffer.byteLength(user);
  if (length >= 1 && length <= 255 && !user.includes(':')) return user;
  throw new CommandFailure(EXIT.USAGE, '--user: a name has 1 to 255 octets and no colon');
}

/** The first line of a file that other users cannot read. Throws a CommandFailure. */
function readPassword(file: string): string {
  const refuse = (why: string): never => {
    throw new CommandFailure(EXIT.USAGE, `--password-file: ${file} ${why}`);
  };
  let isReadableByAll = false;
  const lines = readOperatorFile(file, FILE_OF_PASSWORD, () => (isReadableByAll = true)).split(/\r?\n/);
  if (isReadableByAll) refuse(`can be read by all users of this host: chmod 600 ${inShell(file)}`);
  const [password = '', ...rest] = lines;
  if (password === '') refuse('has no password in its first line');
  if (rest.some((line) => line !== '')) refuse('has more than one line');
  if (Buffer.byteLength(password) > MOST_OCTETS) refuse(`has a password of more than ${MOST_OCTETS} octets`);
  return password;
}
