import { readlinkSync } from 'node:fs';
import { SystemCallError } from './errors.ts';
import { Memory, errno, sys } from './libc.ts';
import { AF_INET, SOCK_DGRAM, openSocket } from './socket.ts';

const SIOCETHTOOL = 0x8946;
const ETHTOOL_GDRVINFO = 0x03;
/** struct ethtool_drvinfo, and the name of the driver in it. */
const [INFO_SIZE, DRIVER] = [196, 4];
/** Numbers of the commands that switch a feature, and the size of their struct ethtool_value. */
const SWITCH = { tso: 0x1f, gro: 0x2c } as const;
const SWITCH_SIZE = 8;
const ETHTOOL_GSTRINGS = 0x1b;
const ETHTOOL_GSSET_INFO = 0x37;
const ETHTOOL_GFEATURES = 0x3a;
const ETH_SS_FEATURES = 4;
const STRING = 32;
/** struct ethtool_get_features_block: available, requested, active, never changed. */
const BLOCK = 16;
const [AVAILABLE, ACTIVE] = [0, 8];

/** The features of an interface, by the names of ethtool. */
export interface Features {
  /** Features that are on. */
  readonly active: ReadonlySet<string>;
  /** Features that can be switched on. */
  readonly available: ReadonlySet<string>;
}

/** Whether an interface is real hardware. Virtio does not count: another kernel is behind it. */
export function isHardware(name: string): boolean {
  try {
    return !readlinkSync(`/sys/class/net/${name}/device/driver`).endsWith('/virtio_net');
  } catch {
    return false; // no device behind it, or a /sys of another network namespace
  }
}

/** The name of an interface's driver; undefined if the kernel refuses the question. */
export function driverOf(name: string): string | undefined {
  const fd = openSocket(AF_INET, SOCK_DGRAM); // any socket
  try {
    const info = ask(fd, name, INFO_SIZE, (view) => view.setUint32(0, ETHTOOL_GDRVINFO, true));
    return info && textAt(info.bytes, DRIVER);
  } finally {
    sys.close(fd);
  }
}

/** Switches segmentation by the interface (`tso`), or merging (`gro`). Throws a SystemCallError. */
export function switchFeature(name: string, feature: keyof typeof SWITCH, on: boolean): void {
  const fd = openSocket(AF_INET, SOCK_DGRAM); // any socket
  try {
    const answer = ask(fd, name, SWITCH_SIZE, (view) => {
      view.setUint32(0, SWITCH[feature], true);
      view.setUint32(4, Number(on), true);
    });
    if (answer === undefined) throw new SystemCallError('SIOCETHTOOL', errno());
  } finally {
    sys.close(fd);
  }
}

/** Undefined if the kernel refuses the question. */
export function featuresOf(name: string): Features | undefined {
  const fd = openSocket(AF_INET, SOCK_DGRAM); // any socket
  try {
    return askFeatures(fd, name);
  } finally {
    sys.close(fd);
  }
}

function askFeatures(fd: number, name: string): Features | undefined {
  const info = ask(fd, name, 20, (view) => {
    view.setUint32(0, ETHTOOL_GSSET_INFO, true);
    view.setBigUint64(8, 1n << BigInt(ETH_SS_FEATURES), true);
  });
  const count = info?.view.getUint32(16, true) ?? 0;
  const strings = ask(fd, name, 12 + count * STRING, (view) => {
    view.setUint32(0, ETHTOOL_GSTRINGS, true);
    view.setUint32(4, ETH_SS_FEATURES, true);
    view.setUint32(8, count, true);
  });
  const blocks = Math.ceil(count / 32);
  const answer = ask(fd, name, 8 + blocks * BLOCK, (view) => {
    view.setUint32(0, ETHTOOL_GFEATURES, true);
    view.setUint32(4, blocks, true);
  });
  if (count === 0 || strings === undefined || answer === undefined) return undefined;
  const names = namesIn(strings.bytes.subarray(12));
  const those = (field: number): Set<string> =>
    new Set(
      names.filter((_, at) => {
        const bits = answer.view.getUint32(8 + (at >> 5) * BLOCK + field, true);
        return ((bits >>> (at & 31)) & 1) === 1;
      }),
    );
  return { active: those(ACTIVE), available: those(AVAILABLE) };
}

function namesIn(strings: Uint8Array): string[] {
  return Array.from({ length: strings.length / STRING }, (_, i) => textAt(strings, i * STRING));
}

/** The text of a field of 32 octets. */
function textAt(bytes: Uint8Array, at: number): string {
  return new TextDecoder().decode(bytes.subarray(at, at + STRING)).split('\0')[0]!;
}

function ask(fd: number, name: string, size: number, write: (view: DataView) => void): Memory | undefined {
  const request = new Memory(40); // struct ifreq
  const data = new Memory(size);
  new TextEncoder().encodeInto(name, request.bytes.subarray(0, 15));
  request.setPointer(16, data.address);
  write(data.view);
  return sys.ioctl(fd, SIOCETHTOOL, request.address) < 0 ? undefined : data;
}
