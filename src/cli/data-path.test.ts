import { expect, test } from 'vitest';
import { dataPathInWords, dataPathStatus } from '../daemon/data-path-status.ts';
import { dataPathRows } from './data-path.ts';

const CARRIED = { peers: 2, receivedPackets: 3, receivedBytes: 300, sentPackets: 1, sentBytes: 400 };

test('the kernel: the peers that it carries, and the packets by verdict', () => {
  const status = dataPathStatus({
    dataPath: { kind: 'kernel' },
    carried: { ...CARRIED, uplinks: [], counters: { carriedOut: 4, outTooBig: 0 } },
  });
  expect(status).toEqual({ inUse: 'kernel', carried: CARRIED, counters: { carriedOut: 4, outTooBig: 0 } });
  expect(dataPathRows(status)).toEqual([
    ['data path', 'kernel'],
    ['peers in the kernel', '2'],
    ['carried in', '3 packets, 300 bytes'],
    ['carried out', '1 packet, 400 bytes'],
    ['kernel carriedOut', '4'],
  ]);
});

test('each uplink: how much is carried by it, and why not all', () => {
  const uplinks = [
    { interface: 'eth0', kind: '', carried: 'all', xdp: true },
    {
      interface: 'br0',
      kind: 'bridge',
      carried: 'all-but-bulk',
      reason: 'the rest by the process',
      xdp: false,
      withoutXdp: 'why',
    },
    { interface: 'ppp0', kind: 'ppp', carried: 'none', reason: 'no Ethernet header' },
    { interface: 'eth1', kind: '', carried: 'all', xdp: false, withoutXdp: 'why', merging: true },
    {
      interface: 'eth2',
      kind: '',
      carried: 'all',
      xdp: false,
      withoutXdp: 'why',
      merging: false,
      withoutMerging: 'because',
    },
  ] as const;
  const status = dataPathStatus({
    dataPath: { kind: 'kernel' },
    carried: { ...CARRIED, uplinks, counters: {} },
  });
  expect(status).toMatchObject({ uplinks });
  expect(dataPathRows(status).slice(1, 6)).toEqual([
    ['uplink eth0', 'carried; XDP in the driver'],
    ['uplink br0', 'bridge, carried, the rest by the process; no XDP: why'],
    ['uplink ppp0', 'ppp, not carried: no Ethernet header'],
    ['uplink eth1', 'carried; segments are merged; no XDP: why'],
    ['uplink eth2', 'carried; segments are not merged: because; no XDP: why'],
  ]);
});

test('user space: why, unless that was asked for', () => {
  const wished = dataPathStatus({ dataPath: { kind: 'user' }, carried: undefined });
  expect(wished).toEqual({ inUse: 'user' });
  expect(dataPathRows(wished)).toEqual([['data path', 'user']]);
  const dataPath = { kind: 'user', reason: 'no CAP_BPF' } as const;
  const forced = dataPathStatus({ dataPath, carried: undefined });
  expect(forced).toEqual({ inUse: 'user', reason: 'no CAP_BPF' });
  expect(dataPathRows(forced)).toEqual([['data path', 'user (no CAP_BPF)']]);
  expect(dataPathInWords(dataPath)).toBe('user (no CAP_BPF)');
  expect(dataPathInWords({ kind: 'kernel' })).toBe('kernel');
});
