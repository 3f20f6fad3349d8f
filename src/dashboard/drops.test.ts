import { expect, test } from 'vitest';
import { dropsIn, mainReasons } from './drops.ts';

test('drops and losses by reason, in words; other counters are none', () => {
  const counters = {
    droppedTooBig: 1,
    deliveredPackets: 9,
    udpReceiveOverflows: 2,
    'udpSendFailures.ENOBUFS': 3,
  };
  expect([...dropsIn({ counters })]).toEqual([
    ['too big', 1],
    ['udp receive overflows', 2],
    ['udp send failures: ENOBUFS', 3],
  ]);
});

test('the reasons with the most drops', () => {
  const drops = [
    new Map([
      ['a', 1],
      ['b', 5],
    ]),
    new Map([
      ['a', 2],
      ['c', 1],
    ]),
  ];
  expect(mainReasons(drops, 2)).toEqual(['b', 'a']);
});
