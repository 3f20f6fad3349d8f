import { readlinkSync } from 'node:fs';
import { Memory, sys } from './libc.ts';

const SIOCETHTOOL = 0x8946;
const ETHTOOL_GSTRINGS = 0x1b;
const ETHTOOL_GSSET_INFO = 0x37;
const ETHTOOL_GFEATURES = 0x3a;
const ETH_SS_FEATURES = 4;
const STRING = 32;
/** While one of these is on, packets leave an interface with something still to be done. */
const FEATURES = [
  'tx-udp_tnl-segmentation',
  'tx-udp_tnl-csum-segmentation',
  'tx-checksum-ip-generic',
  'tx-checksum-ipv4',
  'tx-checksum-ipv6',
];

/**
 * Whether packets leave an interface cut and with their checksums. The kernel does both in front of an interface that cannot, and
 * hardware does them itself. What is neither (veth, a virtual machine's) may leave them to the receiver. `fd`: any socket.
 */
export function finishesPackets(fd: number, name: string): boolean {
  return isHardware(name) || !leavesSomething(fd, name);
}

function isHardware(name: string): boolean {
  try {
    return !readlinkSync(`/sys/class/net/${name}/device/driver`).endsWith('/virtio_net');
  } catch {
    return false; // no device behind it, or a /sys that is another network's
  }
}

/** True where it cannot be asked. */
function leavesSomething(fd: number, name: string): boolean {
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
  const features = ask(fd, name, 8 + blocks * 16, (view) => {
    view.setUint32(0, ETHTOOL_GFEATURES, true);
    view.setUint32(4, blocks, true);
  });
  if (strings === undefined || features === undefined) return true;
  return namesIn(strings.bytes.subarray(12)).some((name, at) => {
    const active = features.view.getUint32(8 + (at >> 5) * 16 + 8, true);
    return ((active >>> (at & 31)) & 1) === 1 && FEATURES.includes(name);
  });
}

function namesIn(strings: Uint8Array): string[] {
  const decoder = new TextDecoder();
  return Array.from(
    { length: strings.length / STRING },
    (_, i) => decoder.decode(strings.subarray(i * STRING, (i + 1) * STRING)).split('\0')[0]!,
  );
}

function ask(fd: number, name: string, size: number, write: (view: DataView) => void): Memory | undefined {
  const request = new Memory(40); // struct ifreq
  const data = new Memory(size);
  new TextEncoder().encodeInto(name, request.bytes.subarray(0, 15));
  request.setPointer(16, data.address);
  write(data.view);
  return sys.ioctl(fd, SIOCETHTOOL, request.address) < 0 ? undefined : data;
}
