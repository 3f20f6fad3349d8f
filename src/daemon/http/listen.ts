/** HTTP over TCP, as the options ask for it. */
import type { ControlServer } from '../../control/control-server.ts';
import type { ListenAddress } from '../../runtime/settings/rules.ts';
import { parseIpv4, parseIpv6 } from '../../wire/index.ts';
import { CommandFailure, EXIT } from '../exit-codes.ts';
import type { Changeable } from '../reload.ts';
import { readOperatorFile } from '../read-file.ts';
import { inShell } from '../in-shell.ts';
import { readableForUnit } from '../unit-account.ts';
import { loadHttp } from './lazy-http.ts';
import { NO_TOKEN } from './rules.ts';
import type { HttpRules } from './rules.ts';

export interface HttpOptions {
  readonly listen?: ListenAddress | undefined;
  readonly listenToken?: string | undefined;
}

const TOKEN_BITS = 128;
const FILE_OF_TOKEN = { name: 'file of a token', mostKilobytes: 1 };

/** Why these options do not fit together; undefined where they do. */
export function faultOfListen({ listen, listenToken }: HttpOptions): string | undefined {
  if (listen === undefined || listenToken !== undefined || isLoopback(listen.host)) return undefined;
  return `other hosts reach ${listen.host}: that needs --listen-token`;
}

/** Reads the file of the token. Throws a CommandFailure. */
export function rulesOf(options: HttpOptions): HttpRules {
  const fault = faultOfListen(options);
  if (fault !== undefined) throw new CommandFailure(EXIT.USAGE, `--listen: ${fault}`);
  return options.listenToken === undefined ? NO_TOKEN : { token: readToken(options.listenToken) };
}

/** Has a reload read the token again. */
export function tokenOf({ listenToken }: HttpOptions, rules: HttpRules): Changeable {
  return {
    async prepare(_values, changed) {
      if (listenToken === undefined || !changed.has('listenToken')) return () => {};
      const token = readToken(listenToken);
      return () => void (rules.token = token);
    },
  };
}

/** Listens if that is wanted; resolves to the URL. The modules are loaded now, before packets wait for the process. Rejects with a CommandFailure. */
export async function listen(
  control: ControlServer,
  { listen: wanted }: HttpOptions,
): Promise<string | undefined> {
  if (wanted === undefined) return undefined;
  await loadHttp();
  const { host, port } = wanted;
  const name = host.includes(':') ? `[${host}]` : host;
  try {
    return `http://${name}:${control.listenTcp(octetsOf(host), port)}/`;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CommandFailure(
      code === 'EACCES' || code === 'EPERM' ? EXIT.NOT_PERMITTED : EXIT.FAILED,
      `cannot listen at ${name}:${port}: ${message}`,
    );
  }
}

/** Throws a CommandFailure. */
export function readToken(file: string): string {
  const refuse = (why: string): never => {
    throw new CommandFailure(EXIT.USAGE, `--listen-token: ${file} ${why}`);
  };
  let isReadableByAll = false;
  const token = readOperatorFile(file, FILE_OF_TOKEN, () => (isReadableByAll = true)).trim();
  if (isReadableByAll)
    refuse(
      `can be read by all users of this host: chmod 600 ${inShell(file)}, or for the systemd unit: ${readableForUnit(file)}`,
    );
  if (!/^[\w.~+/-]+=*$/.test(token)) refuse('is no token: want one line of letters, digits and -._~+/');
  if (bitsOf(token) < TOKEN_BITS)
    refuse(`has a token that could be guessed: openssl rand -hex 16 > ${inShell(file)} makes a better one`);
  return token;
}

/** The most that a token of this length can have. */
function bitsOf(token: string): number {
  return token.length * (/^[\da-f]+$/i.test(token) ? 4 : 6);
}

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.');
}

function octetsOf(host: string): Uint8Array {
  const address = parseIpv4(host);
  if (address === undefined) return parseIpv6(host)!;
  return Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);
}
