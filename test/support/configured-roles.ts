import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Namespace, Running } from '../../src/lab/index.ts';
import { DATA_PATH, PROGRAM } from './roles.ts';

/** A daemon of a configuration file, in a lab. */
export class ConfiguredRole {
  readonly name: string;
  readonly file: string;
  running!: Running;
  private readonly host: Namespace;
  private readonly role: string;

  constructor(host: Namespace, role: string) {
    const folder = mkdtempSync(join(tmpdir(), 'teredo-configured-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    this.host = host;
    this.role = role;
    this.name = `${host.name}-${role}`;
    this.file = join(folder, `${this.name}.toml`);
  }

  /** `lines`: of the table of the role. */
  static async start(
    host: Namespace,
    role: string,
    lines: readonly string[],
    path = DATA_PATH,
  ): Promise<ConfiguredRole> {
    const configured = new ConfiguredRole(host, role);
    configured.write([...lines, `data-path = "${path}"`]);
    // Without a terminal, as under a service manager.
    configured.running = host.spawn('setsid', [process.execPath, PROGRAM, 'run', configured.file]);
    await configured.running.waitFor(/is running/);
    return configured;
  }

  write(lines: readonly string[]): void {
    writeFileSync(this.file, [`role = "${this.role}"`, `[${this.role}]`, ...lines, ''].join('\n'));
  }

  /** `teredo reload` by a user: its exit status and output. */
  async reload(uid = 0): Promise<{ status: number; output: string }> {
    const user = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
    const asker = this.host.spawn('setpriv', [...user, process.execPath, PROGRAM, 'reload', this.file]);
    return { status: await asker.exited, output: asker.output.trimEnd() };
  }

  /** SIGHUP, as a service manager sends it; resolves with the lines of the log from then on, when the reload has ended. */
  async hangUp(): Promise<string> {
    const before = this.running.output.length;
    this.running.kill('SIGHUP');
    await this.running.waitFor(new RegExp(`^[^]{${before}}[^]*(toml: |old configuration stays)`));
    return this.running.output.slice(before);
  }
}
