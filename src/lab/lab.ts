import { Namespace } from './namespace.ts';
import { execute } from './process.ts';

/**
 * Hosts in network namespaces and the wires between them. Names are unique to the process, so that labs don't disturb
 * each other; whatever happens, nothing stays.
 */
export class Lab {
  private readonly prefix: string;
  private readonly namespaces: Namespace[] = [];
  private wires = 0;

  constructor() {
    this.prefix = `td${process.pid.toString(36)}${(labs++).toString(36)}`;
    open.add(this);
    if (open.size === 1) process.once('exit', removeAll);
  }

  /** A new host. `name` is for people; it is unique within the lab. */
  host(name: string): Namespace {
    const namespace = Namespace.create(`${this.prefix}-${name}`);
    this.namespaces.push(namespace);
    return namespace;
  }

  /** A switch: a namespace with a bridge, onto which {@link connect} plugs hosts. */
  switch(name: string): Namespace {
    const namespace = this.host(name);
    namespace.ip('link', 'add', 'bridge', 'type', 'bridge', 'forward_delay', '0');
    namespace.ip('link', 'set', 'bridge', 'up');
    return namespace;
  }

  /** Plugs a host's new interface into a switch. Addresses with their prefix lengths. */
  connect(host: Namespace, name: string, to: Namespace, ...addresses: string[]): void {
    const port = `p${(this.wires++).toString(36)}`;
    execute('ip', [
      'link',
      'add',
      name,
      'netns',
      host.name,
      'type',
      'veth',
      'peer',
      'name',
      port,
      'netns',
      to.name,
    ]);
    to.ip('link', 'set', port, 'master', 'bridge');
    to.ip('link', 'set', port, 'up');
    this.bringUp(host, name, addresses);
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
    this.bringUp(a, aName, aAddresses);
    this.bringUp(b, bName, bAddresses);
  }

  async remove(): Promise<void> {
    open.delete(this);
    await Promise.all(this.namespaces.splice(0).map((namespace) => namespace.remove()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.remove();
  }

  removeNow(): void {
    for (const namespace of this.namespaces.splice(0)) {
      try {
        namespace.removeNow();
      } catch {
        // on the way out: go on with the others
      }
    }
  }

  private bringUp(host: Namespace, name: string, addresses: readonly string[]): void {
    for (const address of addresses) {
      if (address.includes(':')) host.ip('addr', 'add', address, 'dev', name, 'nodad');
      else host.ip('addr', 'add', address, 'dev', name);
    }
    host.ip('link', 'set', name, 'up');
  }
}

let labs = 0;
const open = new Set<Lab>();

function removeAll(): void {
  for (const lab of open) lab.removeNow();
}
