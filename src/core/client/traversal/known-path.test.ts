import { expect, test } from 'vitest';
import { adoptMarks, marksOf } from './known-path.ts';
import { PeerPath } from './peer-path.ts';

test('a path that was adopted leaves the same marks, whatever they were', () => {
  for (let bits = 0; bits < 32; bits++) {
    const marks = 1 | (bits << 1);
    const path = new PeerPath(0);
    adoptMarks(path, marks, 1_000, 2_000);
    expect(marksOf(path)).toBe(marks);
    expect(path.hearing.isUnheard).toBe(false);
  }
});
