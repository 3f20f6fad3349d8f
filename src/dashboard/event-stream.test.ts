import { expect, test } from 'vitest';
import { EventReader } from './event-stream.ts';

function eventsIn(pieces: readonly string[]): unknown[] {
  const reader = new EventReader();
  return pieces.flatMap((piece) => [...reader.read(piece)]);
}

test('events of a stream, however it is cut into pieces', () => {
  const text = 'id: 7\nevent: log\ndata: {"a":1}\n\n: a comment\n\ndata: one\ndata: two\r\n\r\n';
  const events = [
    { event: 'log', data: '{"a":1}', id: '7' },
    { event: 'message', data: 'one\ntwo', id: '7' },
  ];
  expect(eventsIn([text])).toEqual(events);
  for (let at = 1; at < text.length; at++)
    expect(eventsIn([text.slice(0, at), text.slice(at)])).toEqual(events);
});

test('an event that has not ended is none yet', () => {
  expect(eventsIn(['data: half\n'])).toEqual([]);
});

test('a line without end is refused', () => {
  expect(() => eventsIn(Array.from({ length: 3 }, () => 'x'.repeat(1 << 19)))).toThrow(/too long/);
});
