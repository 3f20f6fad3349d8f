import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import { failureOf, successOf } from './answers.ts';
import type { Asker } from './asker.ts';
import type { CredentialCheck, RequiredCredentials } from './credentials.ts';
import type { Dialer } from './dialer.ts';
import { localEnd } from './ends.ts';
import { Handshake } from './handshake.ts';
import type { Step, Wish } from './handshake.ts';
import { serveRequests } from './http-requests.ts';
import { lastAnswer } from './last-answer.ts';
import type { SourcePath } from './source-path.ts';
import { tunnel } from './tunnel.ts';
import type { UdpRelays } from './udp-relays.ts';

export interface ProxyParts {
  readonly required: RequiredCredentials | undefined;
  readonly dialer: Pick<Dialer, 'dial'>;
  readonly udp: Pick<UdpRelays, 'associate'>;
}

/** `required`: the check for this client. */
type ClientParts = Omit<ProxyParts, 'required'> & { readonly required: CredentialCheck | undefined };
type LastStep = Exclude<Step, { kind: 'more' }>;

/** A client has asked for its target by then. */
const HANDSHAKE_MS = 10_000;
/** The answer to a wrong password comes this late. */
const GUESS_MS = 1_000;

/** Serves one client of the proxy; resolves when all of its sockets are closed. `onWish`: it has named its target, with the right password. Never rejects. */
export async function serveClient(
  client: Socket,
  source: SourcePath,
  parts: ProxyParts,
  onWish: () => void,
): Promise<void> {
  const required = parts.required?.from(source);
  const gone = new AbortController();
  // Each look-up of an association listens. Node would warn of more than 10.
  setMaxListeners(0, gone.signal);
  client.on('error', () => {}); // its end follows
  client.on('close', () => gone.abort());
  const step = await negotiated(client, new Handshake(required));
  if (step === undefined) return;
  if (step.kind === 'wish') {
    onWish();
    return await fulfil(client, step.wish, { ...parts, required }, { source, gone: gone.signal });
  }
  if (step.isGuess) await new Promise((resolve) => setTimeout(resolve, GUESS_MS));
  await lastAnswer(client, step.answer);
}

/** The end of the handshake, with the client paused; undefined when the client has gone or was too slow. */
function negotiated(client: Socket, handshake: Handshake): Promise<LastStep | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => client.destroy(), HANDSHAKE_MS);
    const giveUp = (): void => void client.destroy();
    const finish = (step?: LastStep): void => {
      clearTimeout(timer);
      client.off('data', take).off('end', giveUp).off('close', finish).pause();
      resolve(step);
    };
    const take = (octets: Uint8Array): void => {
      const step = handshake.take(octets);
      for (const answer of step.send) client.write(answer);
      if (step.kind !== 'more') finish(step);
    };
    client
      .on('close', () => finish())
      .on('end', giveUp)
      .on('data', take);
  });
}

async function fulfil(
  client: Socket,
  wish: Wish,
  { dialer, required, udp }: ClientParts,
  asker: Asker,
): Promise<void> {
  const { protocol, target, first } = wish;
  if (wish.kind === 'associate') return await udp.associate(client, target, asker);
  if (wish.kind === 'http') return await serveRequests(client, first, { dialer, required, asker });
  const result = await dialer.dial(target, asker);
  if ('failure' in result) return await lastAnswer(client, failureOf(protocol, result.failure));
  const { socket } = result;
  if (client.destroyed) return void socket.on('error', () => {}).destroy();
  client.write(successOf(protocol, localEnd(socket)));
  if (first.length > 0) socket.write(first);
  await tunnel(client, socket);
}
