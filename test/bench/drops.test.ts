import { expect, test } from 'vitest';
import { backlogDrops, dropsBetween, parseDrops } from '../../bench/machine/drops.ts';

const HOST = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 15272592  137016    0    0    0     0          0         0 15272592  137016    0    0    0     0       0          0
   wan: 1 2 0 3 0 0 0 0 1 2 0 4 0 0 0 0
teredo: 1 2 0 0 0 0 0 0 1 2 0 5 0 0 0 0
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
Udp: 236 0 0 237 11 0 0 0 0
Udp6InDatagrams                  1
Udp6RcvbufErrors                 2
qdisc noqueue 0: dev lo root refcnt 2 
 Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) 
 backlog 0b 0p requeues 0
qdisc pfifo_fast 0: dev teredo root refcnt 2 bands 3 priomap 1 2 2
 Sent 0 bytes 0 pkt (dropped 60, overlimits 0 requeues 0) 
qdisc fq_codel 0: dev wan root refcnt 2
 Sent 0 bytes 0 pkt (dropped 7, overlimits 0 requeues 0) 
`;

test('drops of a host by place; what a queueing discipline drops in front of a tunnel is the tunnel’s', () => {
  expect(parseDrops(HOST)).toEqual({ link: 7, tunnel: 65, socket: 13, qdisc: 7 });
});

test('drops of the processors’ queues are hexadecimal', () => {
  expect(backlogDrops('000207f1 00000010 00000000\n0000cf75 0000000a 00000000\n')).toBe(26);
});

test('only places where packets were dropped meanwhile', () => {
  expect(dropsBetween({ link: 1, socket: 5 }, { link: 1, socket: 9, program: 2 })).toEqual({
    socket: 4,
    program: 2,
  });
});
