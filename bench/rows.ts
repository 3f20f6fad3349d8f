/** The rows of the bench by name. */
import { firstReplies } from './first-reply.ts';
import { growth } from './growth.ts';
import { memory } from './memory.ts';
import { newPeers } from './new-peers.ts';
import { peers } from './peers.ts';
import { relay } from './relay.ts';
import { rtt } from './round-trip.ts';
import type { Row } from './row.ts';
import { serverProgram } from './server-program.ts';
import { server } from './server.ts';
import { tcp } from './tcp.ts';
import { udp } from './udp.ts';
import { workers } from './workers.ts';

export const ROWS = {
  tcp,
  udp,
  rtt,
  'first-reply': firstReplies,
  relay,
  'new-peers': newPeers,
  peers,
  growth,
  memory,
  server,
  'server-program': serverProgram,
  workers,
} satisfies Record<string, Row>;

export type RowName = keyof typeof ROWS;
