import type { RelayStatus, RoleStatus, ServerStatus } from '../control/status.ts';
import { counted } from '../control/words.ts';
import { clientPath } from './client-path.ts';
import { NOBODY } from './known-peers.ts';
import type { KnownPeers } from './known-peers.ts';
import { noted } from './path.ts';
import type { Condition, PathLink, PathModel, PathNode } from './path.ts';

export function pathOf(status: RoleStatus, known: KnownPeers = NOBODY): PathModel {
  if (status.role === 'client') return clientPath(status, known);
  return status.role === 'server' ? serverPath(status) : relayPath(status);
}

function relayPath(status: RelayStatus): PathModel {
  const { address, announced, forwards, serves, peers, state, role } = status;
  const isHost = role === 'host-relay';
  const isWithdrawn = state === 'draining';
  const beyond: Condition = forwards === false ? 'broken' : isWithdrawn ? 'waiting' : 'good';
  const label = forwards === false ? 'no forwarding' : isWithdrawn ? 'route withdrawn' : undefined;
  const nodes: PathNode[] = [
    {
      kind: 'clients',
      title: 'Teredo clients',
      lines: [counted(peers.trusted, 'client')],
      condition: 'good',
    },
    {
      kind: 'relay',
      title: isHost ? 'This host' : 'This relay',
      lines: [announced ?? address],
      condition: isWithdrawn ? 'waiting' : 'good',
    },
    ...(isHost
      ? []
      : [
          {
            kind: 'internet',
            title: 'IPv6 Internet',
            lines: serves,
            ...noted(label),
            condition: beyond,
          } as const,
        ]),
  ];
  const links: PathLink[] = [
    { from: 'clients', to: 'relay', condition: 'good' },
    ...(isHost ? [] : [{ from: 'relay', to: 'internet', condition: beyond } as const]),
  ];
  const end = isHost ? '' : `, then the IPv6 Internet${label === undefined ? '' : `: ${label}`}`;
  return { nodes, links, description: `Teredo clients, then ${isHost ? 'this host' : 'this relay'}${end}.` };
}

function serverPath({ address, announced, secondary, announcedSecondary }: ServerStatus): PathModel {
  const second = announcedSecondary ?? secondary;
  const lines = second === undefined ? [announced ?? address] : [announced ?? address, second];
  return {
    nodes: [
      { kind: 'clients', title: 'Teredo clients', lines: ['behind NATs'], condition: 'good' },
      { kind: 'server', title: 'This server', lines, condition: 'good' },
      { kind: 'internet', title: 'IPv6 Internet', lines: ['tests of clients'], condition: 'good' },
    ],
    links: [
      { from: 'clients', to: 'server', condition: 'good' },
      { from: 'server', to: 'internet', condition: 'good' },
    ],
    description: 'Teredo clients behind NATs, then this server, then the IPv6 Internet.',
  };
}
