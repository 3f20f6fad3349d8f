import { Builder } from './builder.ts';
import { sweepAfterwards } from './janitor.ts';
import { Namespace, removeAll } from './namespace.ts';

const FILTERS = ['arptables', 'iptables', 'ip6tables'];

/**
 * Hosts in network namespaces and the wires between them. Names are unique to the process, so that labs do not disturb
 * each other. All of it is removed at the end, even if the process is killed.
 */
export class Lab {
  private readonly prefix: string;
  private readonly namespaces: Namespace[] = [];
  private readonly builder = new Builder();
  private wires = 0;

  constructor() {
    const ofProcess = `td${process.pid}-`;
    if (labs === 0) sweepAfterwards(ofProcess);
    this.prefix = `${ofProcess}${labs++}`;
  }

  get hosts(): readonly Namespace[] {
    return this.namespaces;
  }

  /** Makes all that `build` adds to this lab, much faster than piece by piece. */
  inOne<T>(build: () => T): T {
    return this.builder.inOne(build);
  }

  /** A new host. `name`: for messages; unique within the lab. */
  host(name: string): Namespace {
    return this.inOne(() => {
      const namespace = Namespace.create(`${this.prefix}-${name}`, this.builder);
      this.namespaces.push(namespace);
      return namespace;
    });
  }

  /** A switch: a namespace with a bridge, to which {@link connect} connects hosts. */
  switch(name: string): Namespace {
    return this.inOne(() => {
      const namespace = this.host(name);
      // A switch does not filter. Without the module br_netfilter these settings do not exist.
      for (const filter of FILTERS) namespace.sysctlIfPresent(`net.bridge.bridge-nf-call-${filter}`, '0');
      namespace.ipBatch('link add bridge type bridge forward_delay 0', 'link set bridge up');
      return namespace;
    });
  }

  /** Connects a host to a switch by a new interface. Addresses with their prefix lengths. */
  connect(host: Namespace, name: string, to: Namespace, ...addresses: string[]): void {
    const port = `p${(this.wires++).toString(36)}`;
    this.inOne(() => {
      this.makeWire(host, name, to, port);
      to.ipBatch(`link set ${port} master bridge`, `link set ${port} up`);
      bringUp(host, name, addresses);
    });
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
    this.inOne(() => {
      this.makeWire(a, aName, b, bName);
      bringUp(a, aName, aAddresses);
      bringUp(b, bName, bAddresses);
    });
  }

  async remove(): Promise<void> {
    await removeAll(this.namespaces.splice(0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }

  private makeWire(a: Namespace, aName: string, b: Namespace, bName: string): void {
    this.builder.addWire(`link add ${aName} netns ${a.name} type veth peer name ${bName} netns ${b.name}`);
  }
}

let labs = 0;

function bringUp(host: Namespace, name: string, addresses: readonly string[]): void {
  const adding = addresses.map(
    (address) => `addr add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`,
  );
  host.ipBatch(...adding, `link set ${name} up`);
}
