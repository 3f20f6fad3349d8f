import { expect, onTestFinished, test } from 'vitest';
import { LentDescriptor } from './lent-descriptor.ts';
import { sys } from './libc.ts';
import { AF_INET, SOCK_DGRAM, bindIpv4, isUdpSocketAt, localEndpoint, openSocket } from './socket.ts';

const LOOPBACK = 0x7f000001;

/** A socket at a port of its own. */
function socketAt(port = 0): { readonly fd: number; readonly port: number } {
  const fd = openSocket(AF_INET, SOCK_DGRAM);
  bindIpv4(fd, LOOPBACK, port);
  return { fd, port: localEndpoint(fd).port };
}

test('a descriptor that is still open is closed, once', () => {
  const { fd, port } = socketAt();
  const lent = new LentDescriptor(fd);
  lent.takeBack();
  const next = socketAt(port);
  onTestFinished(() => void sys.close(next.fd));
  expect(next.fd).toBe(fd);
  lent.takeBack();
  expect(isUdpSocketAt(next.fd, LOOPBACK, port)).toBe(true);
});

test('a replaced one frees its port and keeps its number, and is closed afterwards', () => {
  const { fd, port } = socketAt();
  const lent = new LentDescriptor(fd);
  lent.replace();
  expect(isUdpSocketAt(fd, LOOPBACK, port)).toBe(false);
  const next = socketAt(port);
  onTestFinished(() => void sys.close(next.fd));
  expect(next.fd).not.toBe(fd);
  lent.takeBack();
  expect(sys.close(fd)).toBe(-1);
});

test('a number that is another file now is left alone', () => {
  const { fd } = socketAt();
  const lent = new LentDescriptor(fd);
  sys.close(fd);
  const next = socketAt();
  onTestFinished(() => void sys.close(next.fd));
  expect(next.fd).toBe(fd);
  lent.replace();
  lent.takeBack();
  expect(isUdpSocketAt(next.fd, LOOPBACK, next.port)).toBe(true);
});
