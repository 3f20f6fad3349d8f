import { expect, test } from 'vitest';
import { Screen } from './screen.ts';

/** A terminal that keeps its output. */
function terminal(columns: number, rows: number) {
  const written: string[] = [];
  return { columns, rows, written, write: (text: string) => written.push(text) > 0 };
}

test('lines are drawn from the upper left corner each time, and stay at the end', () => {
  const out = terminal(10, 5);
  const screen = new Screen(out);
  screen.draw(['one', 'two']);
  screen.draw(['three']);
  screen.close();
  screen.close();
  expect(out.written).toEqual([
    '\u001b[?1049h\u001b[?25l\u001b[Hone\u001b[K\ntwo\u001b[K\u001b[J',
    '\u001b[Hthree\u001b[K\u001b[J',
    '\u001b[?25h\u001b[?1049lthree\n',
  ]);
});

test('long lines are wrapped, and a full screen says so', () => {
  const out = terminal(4, 3);
  new Screen(out).draw(['abcdefgh', 'x', 'y']);
  expect(out.written[0]).toContain('abcd\u001b[K\nefgh\u001b[K\n... (more');
});
