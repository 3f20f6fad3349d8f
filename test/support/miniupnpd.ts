import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flushMappings } from '../../src/lab/index.ts';
import type { Running, Site } from '../../src/lab/index.ts';

export interface GatewayOptions {
  readonly upnp?: boolean;
  /** NAT-PMP and PCP. */
  readonly natPmp?: boolean;
  /** NAT-PMP only. */
  readonly withoutPcp?: boolean;
  /** The external address in its settings; `undefined`: the one of its interface. */
  readonly address?: string | undefined;
  /** Lifetime of its mappings in PCP and NAT-PMP; `undefined`: as requested. */
  readonly lifetimeSeconds?: number;
}

/** miniupnpd in the NAT of a site: opens ports for the LAN in PCP, NAT-PMP and UPnP, with its own nftables rules. */
export class Gateway {
  private readonly site: Pick<Site, 'nat'>;
  private readonly directory = mkdtempSync(join(tmpdir(), 'teredo-gateway-'));
  private readonly ready: RegExp;
  private running: Running | undefined;

  private constructor(site: Pick<Site, 'nat'>, ready: RegExp) {
    this.site = site;
    this.ready = ready;
  }

  static async start(site: Pick<Site, 'nat' | 'address'>, options: GatewayOptions = {}): Promise<Gateway> {
    const { upnp = true, natPmp = true, withoutPcp = false, lifetimeSeconds } = options;
    const address = 'address' in options ? options.address : site.address;
    site.nat.nft(CHAINS);
    if (withoutPcp) site.nat.nft(NO_PCP);
    const gateway = new Gateway(site, upnp ? /HTTP listening on port/i : /Listening for NAT-PMP/i);
    const config = join(gateway.directory, 'miniupnpd.conf');
    writeFileSync(
      config,
      [
        'ext_ifname=wan',
        ...(address === undefined ? [] : [`ext_ip=${address}`]),
        'listening_ip=lan',
        'ipv6_disable=yes',
        ...(lifetimeSeconds === undefined
          ? []
          : [`min_lifetime=${lifetimeSeconds - 1}`, `max_lifetime=${lifetimeSeconds}`]),
        `enable_upnp=${upnp ? 'yes' : 'no'}`,
        `enable_natpmp=${natPmp ? 'yes' : 'no'}`,
        'secure_mode=yes',
        `lease_file=${join(gateway.directory, 'leases')}`,
        'uuid=42aaf277-3527-47cf-b238-d284aee1a035',
        'allow 1024-65535 10.0.0.0/8 1024-65535',
        'deny 0-65535 0.0.0.0/0 0-65535',
        '',
      ].join('\n'),
    );
    await gateway.run();
    return gateway;
  }

  /** Stops the process until {@link resume}: it answers no requests. */
  pause(): void {
    this.running!.kill('SIGSTOP');
  }

  resume(): void {
    this.running!.kill('SIGCONT');
  }

  /** Ends it like a power cut: without a goodbye message, and with all mappings lost. */
  async crash(): Promise<void> {
    this.running!.kill('SIGKILL');
    await this.running!.exited;
    for (const chain of ['miniupnpd', 'prerouting_miniupnpd', 'postrouting_miniupnpd'])
      this.site.nat.execute('nft', 'flush', 'chain', 'inet', 'filter', chain);
    for (const name of ['leases', 'pid']) rmSync(join(this.directory, name), { force: true });
    flushMappings(this.site.nat);
  }

  async run(): Promise<void> {
    const { directory, site } = this;
    // -d: in the foreground, with log output.
    const args = ['-d', '-f', join(directory, 'miniupnpd.conf'), '-P', join(directory, 'pid')];
    this.running = site.nat.spawn('miniupnpd', args);
    await this.running.waitFor(this.ready);
  }

  get output(): string {
    return this.running!.output;
  }

  /** The present mappings: "outside to inside". */
  mappings(): string[] {
    const rules = this.site.nat.execute('nft', 'list', 'chain', 'inet', 'filter', 'prerouting_miniupnpd');
    return [...rules.matchAll(/th dport (\d+).*dnat ip to ([\d.]+:\d+)/g)].map(
      ([, port, to]) => `${port} to ${to}`,
    );
  }

  /** Whether it has made a mapping since its start. */
  get hasMapped(): boolean {
    return existsSync(join(this.directory, 'leases'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running?.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The nftables chains that it uses. */
const CHAINS = `
  table inet filter {
    chain miniupnpd { }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
    chain forward { type filter hook forward priority 0; policy accept; jump miniupnpd; }
    chain prerouting { type nat hook prerouting priority -100; policy accept; jump prerouting_miniupnpd; }
    chain postrouting { type nat hook postrouting priority 100; policy accept; jump postrouting_miniupnpd; }
  }`;

/** Requests of version 2 get no answer. */
const NO_PCP = `
  table inet no-pcp {
    chain input { type filter hook input priority 0; policy accept; udp dport 5351 @th,64,8 2 drop; }
  }`;
