import type { Socket } from 'node:net';

/** A connection that carries nothing is ended after this: one of two directions, and one of which a direction has ended. */
const IDLE = { bothMs: 3_600_000, halfClosedMs: 600_000 };
/** A host that is gone is noticed after little more. */
const KEEP_ALIVE_MS = 60_000;

/** Carries octets both ways. A slow reader slows its writer down. Resolves when both sockets are closed: both directions have ended, or one socket has failed. */
export async function tunnel(client: Socket, target: Socket, idle = IDLE): Promise<void> {
  const ends = [joined(client, target), joined(target, client)];
  // All octets pass this socket, whatever their direction.
  client.setTimeout(idle.bothMs, () => breakOff(client));
  for (const socket of [client, target]) socket.on('end', () => client.setTimeout(idle.halfClosedMs));
  await Promise.all(ends);
}

/** Carries the octets of one direction, and resolves when their source is closed. A source that breaks off has no end: its reader must not take it for one. */
function joined(from: Socket, to: Socket): Promise<void> {
  from.setNoDelay(true);
  from.setKeepAlive(true, KEEP_ALIVE_MS);
  from.on('error', () => breakOff(to));
  const closed = new Promise<void>((resolve) => {
    from.on('close', () => {
      if (!from.readableEnded) breakOff(to);
      resolve();
    });
  });
  from.pipe(to);
  return closed;
}

/** Ends a connection so that its peer sees no proper end. A Unix socket has no reset. */
function breakOff(socket: Socket): void {
  if (socket.remoteFamily === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
