import { sweepAfterwards } from './janitor.ts';
import { Namespace } from './namespace.ts';
import { execute } from './process.ts';

const NO_FILTER = ['arptables', 'iptables', 'ip6tables'].map(
  (filter) => `net.bridge.bridge-nf-call-${filter}=0`,
);

/**
 * Hosts in network namespaces and the wires between them. Names are unique to the process, so that labs do not disturb
 * each other. All of it is removed at the end, even if the process is killed.
 */
export class Lab {
  private readonly prefix: string;
  private readonly namespaces: Namespace[] = [];
  private wires = 0;

  constructor() {
    const ofProcess = `td${process.pid}-`;
    if (labs === 0) sweepAfterwards(ofProcess);
    this.prefix = `${ofProcess}${labs++}`;
  }

  get hosts(): readonly Namespace[] {
    return this.namespaces;
  }

  /** A new host. `name`: for messages; unique within the lab. */
  host(name: string): Namespace {
    const namespace = Namespace.create(`${this.prefix}-${name}`);
    this.namespaces.push(namespace);
    return namespace;
  }

  /** A switch: a namespace with a bridge, to which {@link connect} connects hosts. */
  switch(name: string): Namespace {
    const namespace = this.host(name);
    // A switch does not filter. Without the module br_netfilter these settings do not exist.
    namespace.execute('sysctl', '-eqw', ...NO_FILTER);
    namespace.ipBatch('link add bridge type bridge forward_delay 0', 'link set bridge up');
    return namespace;
  }

  /** Connects a host to a switch by a new interface. Addresses with their prefix lengths. */
  connect(host: Namespace, name: string, to: Namespace, ...addresses: string[]): void {
    const port = `p${(this.wires++).toString(36)}`;
    makeWire(host, name, to, port);
    to.ipBatch(`link set ${port} master bridge`, `link set ${port} up`);
    bringUp(host, name, addresses);
  }

  /** A wire between two hosts. */
  wire(
    a: Namespace,
    aName: string,
    aAddresses: string[],
    b: Namespace,
    bName: string,
    bAddresses: string[],
  ): void {
    makeWire(a, aName, b, bName);
    bringUp(a, aName, aAddresses);
    bringUp(b, bName, bAddresses);
  }

  async remove(): Promise<void> {
    await Promise.all(this.namespaces.splice(0).map((namespace) => namespace.remove()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }
}

let labs = 0;

function makeWire(a: Namespace, aName: string, b: Namespace, bName: string): void {
  execute('ip', [
    'link',
    'add',
    aName,
    'netns',
    a.name,
    'type',
    'veth',
    'peer',
    'name',
    bName,
    'netns',
    b.name,
  ]);
}

function bringUp(host: Namespace, name: string, addresses: readonly string[]): void {
  const adding = addresses.map(
    (address) => `addr add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`,
  );
  host.ipBatch(...adding, `link set ${name} up`);
}
