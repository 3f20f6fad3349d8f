import { constants } from 'node:os';
import { SystemCallError } from './errors.ts';
import { Memory, errno, sys } from './libc.ts';
import { udpSockets } from './proc.ts';
import {
  AF_INET,
  OPTION,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  bindIpv4,
  localEndpoint,
  openSocket,
  setOption,
} from './socket.ts';

const SOL_SOCKET = 1;
const SO_ATTACH_REUSEPORT_CBPF = 51;

/** Instructions of a classic BPF program: struct sock_filter. */
const BPF = {
  LOAD_WORD: 0x20,
  MULTIPLY: 0x24,
  SHIFT_RIGHT: 0x74,
  KEEP_IN_X: 0x07,
  XOR_X: 0xac,
  MODULO: 0x94,
  RETURN_A: 0x16,
} as const;
/** Offsets from here on are in the IPv4 header. */
const NETWORK_HEADER = -0x100000;
const SOURCE_ADDRESS = 12;
const INSTRUCTION_SIZE = 8;
type Instruction = readonly [code: number, operand: number];

/**
 * Opens `count` UDP sockets at one address and port; with port 0 the kernel chooses one for all. `steer` gives them the program that chooses among
 * them. `left`: the first one, which an earlier process has opened so. Throws a SystemCallError; nothing is left open then.
 *
 * The first socket takes the port as one that shares it with nobody. So a port that another program has is refused, also where both run under one
 * account. A socket that such a program adds while the others are opened could get a number among theirs: then the port counts as taken. One that it
 * adds later at the same address gets nothing: the steering program names only the sockets opened here.
 */
export function openSharedPort(
  address: number,
  port: number,
  count: number,
  steer: (sockets: readonly number[]) => void,
  left?: number,
): number[] {
  const opened = left === undefined ? [] : [left];
  try {
    while (opened.length < count) {
      const isFirst = opened.length === 0;
      const fd = openSocket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
      opened.push(fd);
      if (!isFirst) share(fd);
      bindIpv4(fd, address, isFirst ? port : localEndpoint(opened[0]!).port);
      if (isFirst) share(fd);
    }
    refuseOthers(opened);
    steer(opened);
    return opened;
  } catch (error) {
    for (const fd of opened) sys.close(fd);
    throw error;
  }
}

/** Sockets at addresses that overlap count, too. */
function refuseOthers(opened: readonly number[]): void {
  const { address, port } = localEndpoint(opened[0]!);
  const there = udpSockets().filter((other) => {
    const overlaps = address === 0 || other.address === 0 || other.address === address;
    return overlaps && other.port === port;
  });
  if (there.length !== opened.length) throw new SystemCallError('bind', constants.errno.EADDRINUSE);
}

function share(fd: number): void {
  if (!setOption(fd, OPTION.REUSEPORT, 1)) throw new SystemCallError('SO_REUSEPORT', errno());
}

/** Multiplies, and folds the upper bits into the lower ones: neighbouring addresses are spread. */
function mix(key: number, shift: number): Instruction[] {
  return [
    [BPF.MULTIPLY, key | 1],
    [BPF.KEEP_IN_X, 0],
    [BPF.SHIFT_RIGHT, shift],
    [BPF.XOR_X, 0],
  ];
}

/**
 * All datagrams of a source address go to the same socket from now on. `sockets`: all of a shared port, in the order in which they were opened: the
 * kernel numbers them so. `key`: a random odd number, with which the address is hashed, so that a sender cannot choose the socket.
 */
export function steerBySource(sockets: readonly number[], key: number): void {
  const program: readonly Instruction[] = [
    [BPF.LOAD_WORD, NETWORK_HEADER + SOURCE_ADDRESS],
    ...mix(key, 15),
    ...mix(key, 13),
    [BPF.MODULO, sockets.length],
    [BPF.RETURN_A, 0],
  ];
  const instructions = new Memory(INSTRUCTION_SIZE * program.length);
  for (const [i, [code, operand]] of program.entries()) {
    instructions.view.setUint16(INSTRUCTION_SIZE * i, code, true);
    instructions.view.setInt32(INSTRUCTION_SIZE * i + 4, operand, true);
  }
  const header = new Memory(16); // struct sock_fprog
  header.view.setUint16(0, program.length, true);
  header.setPointer(8, instructions.address);
  if (sys.setsockopt(sockets[0]!, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, header.address, 16) < 0)
    throw new SystemCallError('SO_ATTACH_REUSEPORT_CBPF', errno());
}
