import { createSocket } from 'node:dgram';
import {
  ANNOUNCEMENT_GROUP,
  ANNOUNCEMENT_PORT,
  SSDP_GROUP,
  SSDP_PORT,
  formatIpv4,
  parseIpv4,
} from '../../wire/index.ts';
import type { Ipv4 } from '../../wire/index.ts';
import type { WayToGateway } from './gateway-socket.ts';

/** The most that a PCP message takes (RFC 6887 section 7); notices of UPnP have some 500 octets. */
const ANNOUNCEMENT_MOST = 1_100;

/**
 * Listens to the gateway's messages to all hosts on the link: PCP and NAT-PMP announcements, UPnP notices. Messages of other hosts are
 * ignored. If another program keeps the port for itself, that kind is not heard. Returns a function that ends it.
 */
export function listenToGateway(
  way: WayToGateway,
  onAnnouncement: (announcement: Uint8Array) => void,
): () => void {
  const ends = [
    listenTo(ANNOUNCEMENT_GROUP, ANNOUNCEMENT_PORT, way, onAnnouncement),
    listenTo(SSDP_GROUP, SSDP_PORT, way, onAnnouncement),
  ];
  return () => ends.forEach((end) => end());
}

function listenTo(
  group: Ipv4,
  port: number,
  { gateway, source }: WayToGateway,
  onAnnouncement: (announcement: Uint8Array) => void,
): () => void {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  let ended = false;
  const end = (): void => {
    if (!ended) socket.close();
    ended = true;
  };
  socket.on('error', end);
  socket.on('message', (message, { address }) => {
    if (!ended && message.length <= ANNOUNCEMENT_MOST && parseIpv4(address) === gateway)
      onAnnouncement(message);
  });
  // Bound to the group's address, so that datagrams to this host alone are not received.
  socket.bind(port, formatIpv4(group), () => {
    if (ended) return;
    try {
      socket.addMembership(formatIpv4(group), formatIpv4(source));
    } catch {
      end(); // the local address has just gone
    }
  });
  return end;
}
