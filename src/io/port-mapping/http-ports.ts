/** RFC 6335 section 6: the System Ports, or Well Known Ports, are 0 to 1023. */
const WELL_KNOWN_MOST = 1_023;
/**
 * Further forbidden ports: those that browsers do not request (WHATWG Fetch section 2.9, "bad port"), and those of services that take
 * plain-text commands, print, or trust their network.
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
  ...range(9100, 9109), // printers: they print everything that arrives
]);

/**
 * Whether requests to a gateway at this TCP port are permitted: no other well-known service may be there. An attacker on the link can forge
 * an answer to a search; without this rule it could direct our requests to any service of the host in that answer.
 */
export function mayAskAt(port: number): boolean {
  return port > WELL_KNOWN_MOST && port <= 65_535 && !OF_OTHER_SERVICES.has(port);
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
