/** The metrics: names, help texts, units (docs/guide/watching.md). All have the labels `role` and `daemon`, too. */

export interface Family {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  readonly labels: readonly string[];
}

function counter(name: string, help: string, ...labels: string[]): Family {
  return { name, kind: 'counter', help, labels };
}

function gauge(name: string, help: string, ...labels: string[]): Family {
  return { name, kind: 'gauge', help, labels };
}

export const FAMILIES = {
  build: gauge('teredo_build_info', 'Version of the program; always 1.', 'version'),
  start: gauge('process_start_time_seconds', 'Start of the process, in seconds since 1970.'),
  processor: counter('process_cpu_seconds_total', 'Processor time of the process.'),
  memory: gauge('process_resident_memory_bytes', 'Memory of the process.'),
  loopDelay: gauge(
    'teredo_event_loop_delay_seconds',
    'How late the event loop comes to its work: the most within the last minute (statistic="max"), and the mean. Measured from the first scrape on.',
    'statistic',
  ),
  ready: gauge('teredo_ready', 'Whether the role can serve, as "teredo ready" says it.'),
  state: gauge('teredo_state', 'The state of the role: 1 for the present one, 0 for the others.', 'state'),
  stateSeconds: gauge('teredo_state_seconds', 'How long the client has been in its state.'),
  packets: counter(
    'teredo_packets_total',
    'Packets by verdict and reason, and refusals of the system: the counters of "teredo status --json".',
    'path',
    'verdict',
  ),
  workerDatagrams: counter(
    'teredo_worker_datagrams_total',
    'Datagrams that each worker has received, where the role has several.',
    'worker',
  ),
  trafficPackets: counter(
    'teredo_traffic_packets_total',
    'IPv6 packets of the hosts from peers (received) and to peers (sent), by data path.',
    'direction',
    'path',
  ),
  trafficBytes: counter('teredo_traffic_bytes_total', 'Octets of these packets.', 'direction', 'path'),
  peers: gauge(
    'teredo_peers',
    'Peers: those that have proven themselves (trusted), and the others.',
    'state',
  ),
  peersByPath: gauge('teredo_peers_by_path', 'Trusted peers by the data path of their packets.', 'path'),
  peersByMeans: gauge(
    'teredo_peers_by_means',
    'Trusted peers of a client by the means that reach them.',
    'means',
  ),
  limit: gauge(
    'teredo_limit_reached',
    'Limits that were reached within the last minute: 1. The log has the addresses.',
    'limit',
  ),
  kernelPath: gauge('teredo_kernel_path', 'Whether the kernel carries packets (data path kernel).'),
  kernelPathWithdrawn: counter(
    'teredo_kernel_path_withdrawn_total',
    'How often the process has taken packets over from the kernel. "teredo status" says why.',
  ),
  roundTrip: gauge('teredo_server_round_trip_seconds', 'Round trip time to the server of a client.'),
  nat: gauge('teredo_nat', 'The NAT of a client: 1 for its kind, 0 for the others.', 'kind'),
  defaultRoute: gauge('teredo_default_route', 'Whether the default route of IPv6 leads into the tunnel.'),
  portMapped: gauge('teredo_port_mapped', 'Whether a gateway has opened the port of a client.'),
  refreshInterval: gauge(
    'teredo_refresh_interval_seconds',
    'Time between two refreshes of the mapping of a client.',
  ),
  forwards: gauge(
    'teredo_host_forwards',
    'Whether the host of a relay forwards IPv6: without it nothing is relayed.',
  ),
  largestUser: gauge(
    'teredo_largest_user_bytes',
    'Octets within the last minute of the client (user="client") and the native prefix ("prefix") of a relay that have the most. "teredo users" names them.',
    'user',
  ),
  largestShare: gauge(
    'teredo_largest_user_share_ratio',
    'The part of these in the octets of all clients, or of all prefixes: 0 to 1.',
    'user',
  ),
  events: counter('teredo_log_events_total', 'Events of the log, whatever its level.', 'event', 'level'),
} as const satisfies Readonly<Record<string, Family>>;
