/** Another program of the same account binds the port while it is opened. */
import { readdirSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { sys } from './libc.ts';
import { openSharedPort, steerBySource } from './shared-port.ts';
import { AF_INET, OPTION, SOCK_DGRAM, bindIpv4, localEndpoint, openSocket, setOption } from './socket.ts';

const LOOPBACK = 0x7f000001;
let beforeBind: (address: number, port: number) => void = () => {};

vi.mock('./socket.ts', async (original) => {
  const real = await original<{ bindIpv4: typeof bindIpv4 }>();
  const bind: typeof bindIpv4 = (fd, address, port) => {
    beforeBind(address, port);
    real.bindIpv4(fd, address, port);
  };
  return { ...real, bindIpv4: bind };
});

/** Before the `nth` bind, another socket takes the port at this address. */
function intrude(nth: number, at: number): void {
  let count = 0;
  beforeBind = (_, port) => {
    if (++count !== nth) return;
    beforeBind = () => {};
    const fd = openSocket(AF_INET, SOCK_DGRAM);
    onTestFinished(() => void sys.close(fd));
    setOption(fd, OPTION.REUSEPORT, 1);
    bindIpv4(fd, at, port);
  };
}

test.each([
  ['at the same address', LOOPBACK, LOOPBACK],
  ['at one address of a port that is open at all', 0, LOOPBACK],
])('a socket that comes between is found, and nothing is left open: %s', (_, address, at) => {
  intrude(3, at);
  const before = readdirSync('/proc/self/fd').length;
  const open = (): number[] => openSharedPort(address, 0, 4, (sockets) => steerBySource(sockets, 1));
  expect(open).toThrow(/^bind: EADDRINUSE$/);
  expect(readdirSync('/proc/self/fd').length).toBe(before + 1);
  const opened = open();
  expect(opened.map((fd) => localEndpoint(fd).port)).toEqual(Array(4).fill(localEndpoint(opened[0]!).port));
  for (const fd of opened) sys.close(fd);
});
