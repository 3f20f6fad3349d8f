import { existsSync, writeSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { SystemCallError, errorName } from '../../linux/errors.ts';
import { isChannel, receiveMessage, sendMessage } from '../../linux/guest/channel.ts';
import type { GuestDescriptors } from '../../linux/guest/inside.ts';
import {
  GUEST_DESCRIPTORS,
  become,
  openAttachedDescriptors,
  openGuestDescriptors,
  prepareMounts,
  prepareNetwork,
} from '../../linux/guest/inside.ts';
import { nameResolver } from '../../linux/guest/resolver-file.ts';
import { openTcpSource, openUdpSockets } from '../../linux/guest/socket-source.ts';
import { EnvironmentError } from '../errors.ts';
import { KernelTunnelHost, prepareInterface } from '../kernel-tunnel-host.ts';
import { CHANNEL, PROGRAM_STDERR } from './agent-messages.ts';
import type { Begin, Hello } from './agent-messages.ts';

const WRONG_USE = 2;

/**
 * Runs inside a guest that was made for the program `words`: opens the descriptors that the client outside needs, and becomes the program. Returns only
 * when it cannot: with the exit status. `sockets`: the client outside gets a source of TCP sockets, too, and so many UDP sockets.
 */
export function runAgent(words: readonly string[], sockets?: number): number {
  if (!isStartedByClient()) return WRONG_USE;
  const isReady = sayHello(() => {
    prepareNetwork();
    const isResolverNamed = prepareMounts();
    const open = openGuestDescriptors();
    if (sockets === undefined) return { isResolverNamed, open };
    return { isResolverNamed, open: { ...open, ...openTcpSource() }, udp: openUdpSockets(sockets) };
  });
  if (!isReady) return 1;
  const message = receiveMessage(CHANNEL);
  if (message === undefined) return 1; // the client has ended
  const { ignored, isPrivate } = JSON.parse(message.text) as Begin;
  const code = errorName(become(words, PROGRAM_STDERR, ignored, isPrivate));
  const isMissing = code === 'ENOENT' || (code === 'EACCES' && !isInPath(words[0]!));
  writeSync(2, `teredo: cannot run ${words[0]}: ${isMissing ? 'no such program' : code}\n`);
  return isMissing ? 127 : 126;
}

/** Runs inside the network of another process: makes the interface, and opens the descriptors that the client outside needs. Returns the exit status. */
export function runAttachingAgent(interfaceName: string): number {
  if (!isStartedByClient()) return WRONG_USE;
  const isReady = sayHello(() => {
    const host = new KernelTunnelHost();
    refuseSecondIpv6(host);
    const open = openAttachedDescriptors(interfaceName);
    prepareInterface(interfaceName);
    return { isResolverNamed: false, open };
  });
  return isReady ? 0 : 1;
}

/** Runs inside a guest after a change of the host's resolvers. Returns the exit status. */
export function runNamingAgent(): number {
  if (!isStartedByClient()) return WRONG_USE;
  return nameResolver() ? 0 : 1;
}

/** Outside a guest, the agent of root would change the network and the mounts of the host. */
function isStartedByClient(): boolean {
  if (isChannel(CHANNEL)) return true;
  writeSync(2, 'teredo: "guest-agent" is for "exec", "attach", "proxy" and "forward", which start it\n');
  return false;
}

/** A default route through the tunnel would take the traffic of native IPv6. */
function refuseSecondIpv6(host: KernelTunnelHost): void {
  const other = host.otherTeredoDefault('');
  if (other !== undefined)
    throw new EnvironmentError(
      'system',
      `that network has IPv6 through Teredo already, on its interface "${other}": end the client that made it first`,
    );
  if (host.hasNativeIpv6(''))
    throw new EnvironmentError('system', 'that network has native IPv6 already: it needs no Teredo');
}

interface Prepared {
  readonly isResolverNamed: boolean;
  readonly open: GuestDescriptors;
  readonly udp?: readonly number[];
}

/** Sends the client the descriptors, or the reason why there are none; false then. */
function sayHello(prepare: () => Prepared): boolean {
  try {
    const { isResolverNamed, open, udp = [] } = prepare();
    const names = GUEST_DESCRIPTORS.filter((name) => open[name] !== undefined);
    say({ isResolverNamed, names }, [...names.map((name) => open[name]!), ...udp]);
    return true;
  } catch (error) {
    if (error instanceof SystemCallError) say({ call: error.call, code: error.code });
    else if (error instanceof EnvironmentError) say({ code: error.code, message: error.message });
    else throw error;
    return false;
  }
}

/** A folder in PATH that this user may not search makes a missing program look like a forbidden one. */
function isInPath(program: string): boolean {
  if (program.includes('/')) return true;
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}

function say(hello: Hello, descriptors: readonly number[] = []): void {
  sendMessage(CHANNEL, JSON.stringify(hello), descriptors);
}
