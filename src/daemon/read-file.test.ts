import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { CommandFailure } from './exit-codes.ts';
import { readOperatorFile } from './read-file.ts';

let [folder, file] = ['', ''];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'teredo-read-'));
  file = join(folder, 'file');
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

/** The exit status and the message, without the folder of the test. */
function refusal(path = file): string {
  try {
    return JSON.stringify(readOperatorFile(path, { name: 'configuration file', mostKilobytes: 64 }));
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    return `${error.exitCode} ${error.lines.join('\n').replaceAll(folder, '')}`;
  }
}

test('a path that leads to no file is the fault of the user, in plain words', () => {
  expect(refusal()).toBe('2 cannot read /file: there is no such file');
  expect(refusal(folder)).toBe('2 cannot read : it is a folder');
  writeFileSync(file, '');
  expect(refusal(join(file, 'x'))).toBe('2 cannot read /file/x: /file is not a folder');
  expect(refusal(join(folder, 'x'.repeat(300)))).toMatch(/^2 cannot read .*: the path is too long$/);
  symlinkSync('loop', join(folder, 'loop'));
  expect(refusal(join(folder, 'loop'))).toMatch(/^2 cannot read \/loop: .*too many links in its path$/);
  expect(refusal('/dev/zero')).toBe('2 /dev/zero is longer than 64 kB: it is no configuration file');
});

test('a FIFO is not waited for, and the contents of a pipe are taken', () => {
  execFileSync('mkfifo', [file]);
  expect(refusal()).toBe('2 cannot read /file: it is a FIFO, and no process writes into it');
  const reader = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(reader));
  writeFileSync(file, 'whole');
  expect(refusal()).toBe('"whole"');
  const writer = openSync(file, 'r+');
  onTestFinished(() => closeSync(writer));
  writeSync(writer, 'part');
  const clock = vi.spyOn(performance, 'now').mockReturnValueOnce(0).mockReturnValue(10_000);
  onTestFinished(() => void clock.mockRestore());
  expect(refusal()).toBe('2 cannot read /file: no process has written the whole of it in time');
});

test('a text in another encoding is refused with its line', () => {
  writeFileSync(file, Buffer.from('role = "client"\n# gr\xfc\xdfe\n', 'latin1'));
  expect(refusal()).toBe('2 /file:2: the text is not in UTF-8: save the file in UTF-8');
  writeFileSync(file, Buffer.from('\ufeffrole', 'utf16le'));
  expect(refusal()).toMatch(/^2 \/file:1: the text is not in UTF-8/);
  writeFileSync(file, '\ufeffgrüße\r\n');
  expect(refusal()).toBe('"\ufeffgrüße\\r\\n"');
});
