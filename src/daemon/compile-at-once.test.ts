import { setFlagsFromString } from 'node:v8';
import { expect, test } from 'vitest';
import { compileAtOnce } from './compile-at-once.ts';

setFlagsFromString('--allow-natives-syntax');

/** Whether a function has machine code after its first call. */
function isCompiledAtOnce(): boolean {
  // eslint-disable-next-line typescript/no-implied-eval -- natives are no syntax of the file
  const answer = new Function(
    'function called() {} called(); return %ActiveTierIsSparkplug(called);',
  ) as () => boolean;
  return answer();
}

test('a function has machine code after its first call', () => {
  expect(isCompiledAtOnce()).toBe(false);
  compileAtOnce();
  expect(isCompiledAtOnce()).toBe(true);
});
