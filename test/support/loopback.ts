import { expect, onTestFinished } from 'vitest';
import { Memory, sys } from '../../src/linux/libc.ts';
import {
  AF_INET,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  bindIpv4,
  localEndpoint,
  openSocket,
  writeSockaddr,
} from '../../src/linux/socket.ts';

const LOOPBACK = 0x7f000001;

/** The descriptor of a UDP socket at 127.0.0.1, which is closed at the end of the test. */
export function udpSocket(port = 0): number {
  const fd = openSocket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
  onTestFinished(() => void sys.close(fd));
  bindIpv4(fd, LOOPBACK, port);
  return fd;
}

/** A port that was free a moment ago. */
export function freePort(): number {
  const fd = openSocket(AF_INET, SOCK_DGRAM);
  bindIpv4(fd, LOOPBACK, 0);
  const { port } = localEndpoint(fd);
  sys.close(fd);
  return port;
}

export function connect(fd: number, port: number): void {
  expect(sys.connect(fd, nameOf(port).address, 16)).toBe(0);
}

/** Sends a datagram of one octet to a socket, from another one. */
export function sendTo(socket: number): void {
  const name = nameOf(localEndpoint(socket).port);
  expect(sys.sendto(udpSocket(), new Memory(1).address, 1, 0, name.address, 16)).toBe(1);
}

function nameOf(port: number): Memory {
  const name = new Memory(16);
  writeSockaddr(name.view, 0, LOOPBACK, port);
  return name;
}
