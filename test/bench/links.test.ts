import { expect, test } from 'vitest';
import { nthLine } from '../../bench/answers.ts';
import { featuresOf, parseFeatures } from '../../bench/links.ts';

test('nic: no link segments, senders cut, hosts merge, NATs and bridges do not', () => {
  const host = featuresOf('nic', false);
  expect(host).toMatchObject({
    tso: 'off',
    'tx-udp-segmentation': 'off',
    'tx-udp_tnl-segmentation': 'off',
    gso: 'on',
    gro: 'on',
  });
  expect(featuresOf('nic', true)).toEqual({ ...host, gro: 'off' });
});

test('wire: nothing segments or merges, UDP neither', () => {
  expect(featuresOf('wire', false)).toMatchObject({ 'tx-udp-segmentation': 'off', gso: 'off', gro: 'off' });
  expect(featuresOf('veth', false)).toEqual({});
});

test('the features that are on, of ethtool', () => {
  const text =
    'tcp-segmentation-offload: off\n\ttx-udp-segmentation: on\ngeneric-receive-offload: on [fixed]\n';
  expect(parseFeatures(text)).toBe('GRO, UDP segmentation');
});

test('the nth answer of a program, in linear time between many other lines', () => {
  const output = `other\ndone 1\n${'other done 7\n'.repeat(20_000)}done 2\ndone 3`;
  expect(nthLine('done', 2).exec(output)![1]).toBe('2');
  expect(nthLine('done', 3).exec(output)).toBeNull(); // the line is not complete yet
  expect(nthLine('done', 40).exec(output)).toBeNull();
});
