/** The path of a client: this host, its NAT, the server, relays with native hosts behind them, other clients. */
import type { ClientStatus } from '../control/status.ts';
import { counted } from '../control/words.ts';
import type { KnownPeers } from './known-peers.ts';
import { noted } from './path.ts';
import type { Condition, NodeKind, PathModel, PathNode } from './path.ts';

interface Fault {
  readonly part: NodeKind;
  readonly words: string;
}

/** The part at which the client fails, and the fault in few words. */
const FAULTS: Readonly<Partial<Record<NonNullable<ClientStatus['reason']>, Fault>>> = {
  'no-answer': { part: 'server', words: 'no answer' },
  'no-answer-secondary': { part: 'server', words: 'second address silent' },
  'invalid-answer': { part: 'server', words: 'invalid answer' },
  'answer-from-elsewhere': { part: 'server', words: 'answers from elsewhere' },
  'authentication-failed': { part: 'server', words: 'the key does not fit' },
  'symmetric-nat': { part: 'nat', words: 'another port for each peer' },
  'mapping-not-global': { part: 'nat', words: 'private address' },
  'no-server': { part: 'server', words: 'name not found' },
};

export function clientPath(status: ClientStatus, known: KnownPeers): PathModel {
  const fault = faultOf(status);
  const near = nearCondition(status, fault);
  const beyond: Condition = status.state === 'qualified' ? 'good' : 'unused';
  const nodes = [
    hostNode(status, near),
    natNode(status, fault, near),
    serverNode(status, fault, near),
    relayNode(known, beyond),
    internetNode(status, known, beyond),
    clientsNode(known, beyond),
  ];
  const conditionOf = (kind: NodeKind): Condition => nodes.find((node) => node.kind === kind)!.condition;
  return {
    nodes,
    links: [
      { from: 'host', to: 'nat', condition: near },
      { from: 'nat', to: 'server', condition: fault?.part === 'nat' ? 'unknown' : conditionOf('server') },
      { from: 'nat', to: 'relay', condition: conditionOf('relay') },
      { from: 'relay', to: 'internet', condition: conditionOf('relay') },
      { from: 'nat', to: 'clients', condition: conditionOf('clients') },
    ],
    description: inWords(status, fault),
  };
}

function faultOf({ state, reason }: ClientStatus): Fault | undefined {
  return state === 'qualified' || reason === undefined ? undefined : FAULTS[reason];
}

/** Of the parts before the faulty one: an answer has passed through them if there is a mapping. */
function nearCondition({ state, mapped }: ClientStatus, fault: Fault | undefined): Condition {
  if (state === 'qualified') return 'good';
  if (state === 'dormant') return 'unused';
  if (fault === undefined) return 'waiting';
  return mapped === undefined ? 'unknown' : 'good';
}

function hostNode({ address, interface: name }: ClientStatus, condition: Condition): PathNode {
  if (address === undefined)
    return { kind: 'host', title: 'This host', lines: ['no Teredo address'], condition };
  return { kind: 'host', title: 'This host', lines: name === '' ? [] : [`interface ${name}`], condition };
}

function natNode({ nat, mapped }: ClientStatus, fault: Fault | undefined, near: Condition): PathNode {
  const title = nat === 'none' ? 'No NAT' : nat === 'unknown' ? 'NAT' : `NAT: ${nat}`;
  const lines = mapped === undefined ? [] : [mapped];
  if (fault?.part === 'nat') return { kind: 'nat', title, lines, note: fault.words, condition: 'broken' };
  return { kind: 'nat', title, lines, condition: near };
}

function serverNode({ server }: ClientStatus, fault: Fault | undefined, near: Condition): PathNode {
  const lines =
    server === undefined
      ? []
      : server.name === server.address
        ? [server.address]
        : [server.name, server.address];
  const node = { kind: 'server', title: 'Server', lines } as const;
  if (fault?.part === 'server') return { ...node, note: fault.words, condition: 'broken' };
  const roundTrip = server?.roundTripMs === undefined ? undefined : `${server.roundTripMs.toFixed(1)} ms`;
  return { ...node, ...noted(near === 'good' ? roundTrip : undefined), condition: near };
}

function relayNode(known: KnownPeers, beyond: Condition): PathNode {
  const { relays, unanswered } = known;
  const [first, ...others] = relays;
  const title = others.length > 0 ? 'Relays' : 'Relay';
  const lines =
    first === undefined ? [] : others.length === 0 ? [first] : [first, `and ${others.length} more`];
  const node = { kind: 'relay', title, lines } as const;
  if (beyond !== 'good' || first !== undefined) return { ...node, condition: beyond };
  if (unanswered === 0) return { ...node, note: 'not used yet', condition: 'unused' };
  return { ...node, note: `no answer for ${counted(unanswered, 'host')}`, condition: 'broken' };
}

function internetNode({ state }: ClientStatus, known: KnownPeers, beyond: Condition): PathNode {
  const node = { kind: 'internet', title: 'IPv6 Internet' } as const;
  if (state === 'dormant') return { ...node, lines: [], note: 'without Teredo', condition: 'good' };
  const lines = known.natives === 0 ? [] : [counted(known.natives, 'host')];
  return { ...node, lines, condition: relayNode(known, beyond).condition === 'good' ? 'good' : 'unused' };
}

function clientsNode({ clients }: KnownPeers, beyond: Condition): PathNode {
  const node = { kind: 'clients', title: 'Other clients' } as const;
  if (clients > 0 || beyond !== 'good')
    return { ...node, lines: clients === 0 ? [] : [counted(clients, 'client')], condition: beyond };
  return { ...node, lines: [], note: 'none yet', condition: 'unused' };
}

function inWords({ state, nat, server }: ClientStatus, fault: Fault | undefined): string {
  const nearest = nat === 'none' ? 'no NAT' : nat === 'unknown' ? 'a NAT' : `a ${nat} NAT`;
  const way = `From this host through ${nearest} to the server ${server?.name ?? ''}`.trimEnd();
  if (state === 'qualified')
    return `${way}: all parts work. Beyond: relays to the IPv6 Internet, and other clients.`;
  return fault === undefined
    ? `${way}: ${state}.`
    : `${way}: broken at the ${fault.part === 'nat' ? 'NAT' : 'server'}, ${fault.words}.`;
}
