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

/** RFC 6887 section 7: the longest of PCP; notices of UPnP have some 500 octets. */
const ANNOUNCEMENT_MOST = 1_100;

/**
 * Listens to what the gateway tells all hosts on the link: PCP and NAT-PMP announcements, UPnP notices. Nobody else is heard. Where somebody
 * keeps a port to himself it is done without. Returns what ends it.
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
  // Bound to the group: what is sent to this host alone, from wherever, does not come in.
  socket.bind(port, formatIpv4(group), () => {
    if (ended) return;
    try {
      socket.addMembership(formatIpv4(group), formatIpv4(source));
    } catch {
      end(); // the address has just gone
    }
  });
  return end;
}
