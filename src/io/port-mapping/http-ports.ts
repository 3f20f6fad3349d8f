/** RFC 6335 section 6: the System Ports, or Well Known Ports, are 0 to 1023. */
const WELL_KNOWN_MOST = 1_023;
/**
 * Beyond them: the ports that browsers do not ask (WHATWG Fetch section 2.9, "bad port"), and those at which other services take commands in
 * plain text, print, or trust their network.
 */
const OF_OTHER_SERVICES = new Set([
  ...[1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6566, 6679, 6697, 10080],
  ...range(6000, 6063), // X11
  ...range(6665, 6669), // IRC
  ...[1080, 3128], // proxies
  ...[1433, 1521, 3306, 5432, 6379, 9042, 11211, 27017], // databases and caches
  ...[1883, 4369, 5222, 5269, 5672, 6667, 9092, 61616], // messages
  ...[2375, 2376, 2379, 2380, 6443, 10250], // containers
  ...[2181, 8500, 9200, 9300], // clusters and search
  ...[3260, 3389, 5555, 5985, 5986, ...range(5900, 5909)], // disks, screens and shells
  ...range(9100, 9109), // printers: all that comes is printed
]);

/**
 * Whether a gateway may have us ask it at this TCP port: where no other service is that is well known. An answer to a search can be forged on
 * the link, and without this rule would have us talk to any service of the host that it names.
 */
export function mayAskAt(port: number): boolean {
  return port > WELL_KNOWN_MOST && port <= 65_535 && !OF_OTHER_SERVICES.has(port);
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
