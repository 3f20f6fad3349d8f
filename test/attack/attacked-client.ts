import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { NATIVE_ADDRESS, RELAY_ADDRESS, SERVER_ADDRESS } from '../../src/lab/index.ts';
import type { Internet, NatBehaviour, Running, Site } from '../../src/lab/index.ts';
import type { Ipv6 } from '../../src/wire/index.ts';
import { startClient, startRelay, startServer, statusOf, teredoAddress } from '../support/roles.ts';
import { HonestPing, endedWith, memoryOf, v6 } from './attack-lab.ts';

/** MB by which an attack may make a client grow: garbage, as its tables have limits. */
const GROWTH = 100;

/** A client under attack, with its server and its relay, and with traffic of its own meanwhile. */
export class AttackedClient {
  readonly site: Site;
  readonly address: Ipv6;
  /** The address and port at which its NAT accepts datagrams for it. */
  readonly mappedPort: number;
  private readonly program: Running;
  private readonly ping: HonestPing;
  private readonly before: number;

  private constructor(site: Site, address: Ipv6, mappedPort: number, program: Running, ping: HonestPing) {
    this.site = site;
    this.address = address;
    this.mappedPort = mappedPort;
    this.program = program;
    this.ping = ping;
    this.before = memoryOf(program);
  }

  static async start(net: Internet, behaviour: NatBehaviour): Promise<AttackedClient> {
    const site = net.site('a', behaviour);
    await startServer(net.server, SERVER_ADDRESS);
    await startRelay(net.relay, RELAY_ADDRESS);
    const program = await startClient(site.client, SERVER_ADDRESS);
    const address = v6(await teredoAddress(site.client));
    const ping = await HonestPing.start(site.client, NATIVE_ADDRESS);
    const { mapped } = (await statusOf(site.client, 'client'))!;
    return new AttackedClient(site, address, Number(String(mapped).split(':')[1]), program, ping);
  }

  /** The number of its open files and sockets. */
  get openFiles(): number {
    return readdirSync(`/proc/${this.program.pid}/fd`).length;
  }

  async status(): Promise<NonNullable<Awaited<ReturnType<typeof statusOf>>>> {
    return (await statusOf(this.site.client, 'client'))!;
  }

  /** Ends the client; returns the addresses that reached a limit according to its log, and how often. */
  endedWith(limit: string): ReturnType<typeof endedWith> {
    return endedWith(this.program, limit);
  }

  /** Checks that the client has not grown, and that its own traffic has continued. Ends the traffic. */
  async expectUnharmed(): Promise<void> {
    expect(memoryOf(this.program) - this.before).toBeLessThan(GROWTH);
    const { answered, slowestMs } = await this.ping.stop();
    expect(answered).toBeGreaterThan(0.9);
    expect(slowestMs).toBeLessThan(1_000);
  }
}
