import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { askForSender, makeChannel, receiveMessage, sendMessage } from './channel.ts';

function channel(): readonly [number, number] {
  const ends = makeChannel();
  onTestFinished(() => ends.forEach((fd) => isOpen(fd) && closeSync(fd)));
  return ends;
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

test('a message arrives whole, with its descriptors and its sender', () => {
  const [here, there] = channel();
  askForSender(here);
  const file = openSync('/proc/self/status', 'r');
  sendMessage(there, 'first', [file, file]);
  sendMessage(there, 'second');
  closeSync(file);
  const { text, descriptors, pid } = receiveMessage(here)!;
  onTestFinished(() => descriptors.forEach((fd) => closeSync(fd)));
  expect([text, descriptors.length, pid]).toEqual(['first', 2, process.pid]);
  expect(readFileSync(descriptors[1]!, 'utf8')).toContain(`Pid:\t${process.pid}\n`);
  expect(receiveMessage(here)).toEqual({ text: 'second', descriptors: [], pid: process.pid });
});

test('the other end is closed: there is no message; sending fails', () => {
  const [here, there] = channel();
  closeSync(there);
  expect(receiveMessage(here)).toBeUndefined();
  expect(() => sendMessage(here, 'lost')).toThrow('EPIPE');
});

test('descriptors that are received are closed at exec', () => {
  const [here, there] = channel();
  const file = openSync('/dev/null', 'r');
  sendMessage(there, 'x', [file]);
  closeSync(file);
  const [received] = receiveMessage(here)!.descriptors;
  onTestFinished(() => closeSync(received!));
  const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${received}`, 'utf8'))![1]!;
  expect(Number.parseInt(flags, 8) & 0o2000000).toBe(0o2000000);
});
