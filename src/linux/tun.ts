import { fstatSync, statSync } from 'node:fs';
import { SystemCallError } from './errors.ts';
import type { Gather } from './gather.ts';
import { E, Memory, errno, sys } from './libc.ts';
import { Poll } from './poll.ts';

/** IFNAMSIZ without the final zero. */
const MAX_NAME = 15;
const O_RDWR_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const TUNGETIFF = 0x800454d2;
/** A descriptor of the interface's network namespace. Kernel 5.3. */
const TUNGETDEVNETNS = 0x54e3;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_MULTI_QUEUE = 0x0100;
const KIND = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;

/** Checksums, and segmentation of TCP over IPv6 (the kernel demands IPv4's with it); ECN: flags on the first segment only. */
const TUN_F_TCP = 0x01 | 0x02 | 0x04 | 0x08;
/** Segmentation of UDP, for both families. Kernel 6.2. */
const TUN_F_UDP = 0x20 | 0x40;

/** struct virtio_net_hdr, in front of every packet read and written; numbers in the machine's order. */
export const VNET = {
  LENGTH: 10,
  FLAGS: 0,
  GSO_TYPE: 1,
  HEADER_LENGTH: 2,
  GSO_SIZE: 4,
  CHECKSUM_START: 6,
  CHECKSUM_OFFSET: 8,
  NEEDS_CHECKSUM: 1,
  GSO_NONE: 0,
  GSO_TCP6: 4,
  GSO_UDP: 5,
  /** Flag beside GSO_TCP6: CWR belongs to the first segment only. */
  GSO_ECN: 0x80,
} as const;

/** Size of struct ifreq, and offset of its flags. */
const [IFREQ, FLAGS] = [40, 16];

/** No packet waits, or the interface is gone. */
export const NOTHING = -1;

/**
 * A TUN interface that passes super-packets: up to 64 KB of TCP or UDP segments behind one header. Not persistent: it ends with its last
 * descriptor, and so do its addresses and routes.
 */
export class TunDevice {
  readonly name: string;
  /** Whether the kernel accepts UDP super-packets; it always accepts those of TCP. */
  readonly takesUdpSegments: boolean;

  readonly fd: number;
  private poll: Poll | undefined;
  private onLost: (() => void) | undefined;
  private closed = false;

  /**
   * Opens the interface, or takes over an open one by its descriptor `kept` ({@link isTunOf}). `device`: /dev/net/tun as it was opened in the network
   * namespace of the new interface. Throws a SystemCallError: of `open` if there is no /dev/net/tun, of `TUNSETIFF` if the name cannot be used.
   */
  constructor(name: string, kept?: number, device?: number) {
    const nameBytes = new TextEncoder().encode(name);
    // The kernel would truncate it.
    if (nameBytes.length > MAX_NAME) throw new SystemCallError('TUNSETIFF', E.EINVAL);
    this.fd = kept ?? device ?? sys.open('/dev/net/tun', O_RDWR_NONBLOCK_CLOEXEC);
    if (this.fd < 0) throw new SystemCallError('open', errno());
    try {
      this.name = kept === undefined ? this.create(nameBytes) : name;
      this.takesUdpSegments = sys.ioctl(this.fd, TUNSETOFFLOAD, TUN_F_TCP | TUN_F_UDP) === 0;
      if (!this.takesUdpSegments) this.control('TUNSETOFFLOAD', TUNSETOFFLOAD, TUN_F_TCP);
    } catch (error) {
      sys.close(this.fd);
      throw error;
    }
  }

  /** `onLost` is called once, inside {@link read}, when the interface was removed; the device is then closed. */
  start(onReadable: () => void, onLost: () => void): void {
    this.onLost = onLost;
    this.poll = new Poll(this.fd, onReadable);
  }

  /**
   * Reads a virtio header and its packet to an address. Returns their length, NOTHING, or a number below NOTHING: the negative error
   * number.
   */
  read(address: number, size: number): number {
    for (;;) {
      if (this.closed) return NOTHING;
      const length = sys.read(this.fd, address, size);
      if (length > 0) return length;
      const error = errno();
      if (error === E.EINTR) continue;
      if (error === E.EBADFD) {
        this.close();
        this.onLost?.();
        return NOTHING;
      }
      // EIO: the interface is down, so there is nothing to read until it is up
      return error === E.EAGAIN || error === E.EIO ? NOTHING : -error;
    }
  }

  /** Writes a virtio header and a packet. Returns 0, or the error number. */
  write(pieces: Gather): number {
    if (this.closed) return 0;
    return sys.writev(this.fd, pieces.address, pieces.count) === pieces.length ? 0 : errno();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.poll?.close();
    sys.close(this.fd);
  }

  private create(name: Uint8Array): string {
    return attach(this.fd, name, KIND);
  }

  private control(call: string, request: number, argument: number): void {
    if (sys.ioctl(this.fd, request, argument) < 0) throw new SystemCallError(call, errno());
  }
}

/**
 * Opens an interface with several queues. {@link TunDevice} takes over each of the descriptors. `left`: the first queue, where the interface is open.
 * Throws as the constructor of TunDevice does; nothing is left open then.
 */
export function openTunQueues(name: string, count: number, left?: number): number[] {
  const nameBytes = new TextEncoder().encode(name);
  if (nameBytes.length > MAX_NAME) throw new SystemCallError('TUNSETIFF', E.EINVAL);
  const opened = left === undefined ? [] : [left];
  try {
    while (opened.length < count) {
      const fd = sys.open('/dev/net/tun', O_RDWR_NONBLOCK_CLOEXEC);
      if (fd < 0) throw new SystemCallError('open', errno());
      opened.push(fd);
      attach(fd, nameBytes, KIND | IFF_MULTI_QUEUE);
    }
    return opened;
  } catch (error) {
    for (const fd of opened) sys.close(fd);
    throw error;
  }
}

/** Makes a descriptor one of an interface with this name; returns the name. */
function attach(fd: number, name: Uint8Array, kind: number): string {
  const request = new Memory(IFREQ);
  request.bytes.set(name);
  request.view.setUint16(FLAGS, kind, true);
  if (sys.ioctl(fd, TUNSETIFF, request.address) < 0) throw new SystemCallError('TUNSETIFF', errno());
  return nameIn(request);
}

/**
 * Whether a descriptor is of a TUN interface of this network namespace that has this name and can be taken over; false, too, once the interface was
 * removed.
 */
export function isTunOf(fd: number, name: string): boolean {
  const request = new Memory(IFREQ);
  if (sys.ioctl(fd, TUNGETIFF, request.address) < 0) return false;
  if (nameIn(request) !== name || (request.view.getUint16(FLAGS, true) & KIND) !== KIND) return false;
  return isOfThisNamespace(fd);
}

/** Whether a TUN interface can have several queues. */
export function canHaveQueues(fd: number): boolean {
  const request = new Memory(IFREQ);
  if (sys.ioctl(fd, TUNGETIFF, request.address) < 0) return false;
  return (request.view.getUint16(FLAGS, true) & IFF_MULTI_QUEUE) !== 0;
}

/** Whether the interface is in this process's network namespace; true if the kernel does not say. */
function isOfThisNamespace(tun: number): boolean {
  const namespace = sys.ioctl(tun, TUNGETDEVNETNS, 0);
  if (namespace < 0) return true;
  try {
    return fstatSync(namespace).ino === statSync('/proc/self/ns/net').ino;
  } finally {
    sys.close(namespace);
  }
}

function nameIn(request: Memory): string {
  return new TextDecoder().decode(request.bytes.subarray(0, request.bytes.indexOf(0)));
}
