/** One example for each command: by the words of the command its arguments, and their effect. */
export const EXAMPLES: Readonly<Record<string, readonly [args: string, effect: string]>> = {
  client: [
    '--server teredo.example.net --inbound refuse',
    'IPv6 for this host; from outside only answers come in',
  ],
  server: [
    '--address 203.0.113.120 --secondary 203.0.113.121',
    'clients can find out whether their NAT is symmetric',
  ],
  relay: ['--address 203.0.113.120 --deny 198.51.100.0/24', 'serves all clients except those of one network'],
  'host-relay': ['--address 203.0.113.120', 'uses this one of the IPv4 addresses of the host'],
  exec: [
    '--server teredo.example.net -- ping 2001:db8:2::2',
    'ping has IPv6, without root; nothing else on the host changes',
  ],
  attach: [
    '--server teredo.example.net 12345',
    'the container of process 12345 has IPv6 (podman inspect --format {{.State.Pid}} NAME)',
  ],
  proxy: [
    '--server teredo.example.net --listen 127.0.0.1:1080',
    'then "curl --proxy socks5h://127.0.0.1:1080 URL" reaches IPv6 hosts',
  ],
  forward: [
    "'[::]:8080=127.0.0.1:80' --server teredo.example.net",
    'all IPv6 hosts can reach the web server of this host at port 8080',
  ],
  run: ['relay --limit peers.trusted=5000', 'runs the role in /etc/teredo/relay.toml, with another limit'],
  reload: ['relay', 'has the daemon "relay" take the changes in its file'],
  'config check': ['relay', 'finds all errors of /etc/teredo/relay.toml'],
  'config show': ['relay', 'shows the value of each option, and whether it comes from the file'],
  'config schema': ['', 'prints the schema for an editor'],
  status: ['relay --watch', 'shows the daemon "relay" every second'],
  ready: ['client --wait --timeout 30', 'waits at most 30 s until the client is qualified'],
  drain: ['relay', 'prepares the end of the daemon "relay"'],
  peers: [
    'client --sort traffic --top 5',
    'shows the five peers of the daemon "client" with the most traffic',
  ],
  users: [
    'relay --window hour --top 3',
    'shows the three clients and prefixes with the most traffic of the last hour',
  ],
  dashboard: ['client --no-open', 'prints the URL of a page that begins with the daemon "client"'],
  ping: ['2001:db8:2::2 --until-direct', 'shows step by step how the client finds a direct way to this host'],
  netcheck: ['--server teredo.example.net,192.0.2.1', 'compares two servers'],
  address: ['2001:0:cb00:7178:0:f227:39cc:9bfd', 'shows the server and the mapped address in it'],
  'address make': [
    '--server 203.0.113.120 --client 198.51.100.2:3544',
    'prints the address of this client at this server',
  ],
  demo: ['--keep', 'leaves all of it running, until Ctrl-C'],
};

/** The example of a command in its `--help`; empty where there is none. */
export function exampleOf(path: string): string {
  const example = EXAMPLES[path];
  if (example === undefined) return '';
  const [args, effect] = example;
  return `\nExample: ${effect}\n  teredo ${path} ${args}`.trimEnd();
}
