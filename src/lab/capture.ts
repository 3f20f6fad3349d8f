import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Namespace } from './namespace.ts';
import type { Running } from './process.ts';

/** A tcpdump on an interface of a host. Its file is removed on disposal. */
export class Capture {
  private readonly folder = mkdtempSync(join(tmpdir(), 'teredo-capture-'));
  private readonly file = join(this.folder, 'pcap');
  private readonly program: Running;

  private constructor(host: Namespace, iface: string, filter: string) {
    // As root, so that it can write the file; unbuffered, so that the file is complete when it ends.
    this.program = host.spawn('tcpdump', [
      '-i',
      iface,
      '-Z',
      'root',
      '-n',
      '-U',
      '--immediate-mode',
      '-w',
      this.file,
      filter,
    ]);
  }

  /** Resolves when tcpdump captures. `filter`: a tcpdump expression. */
  static async start(host: Namespace, iface: string, filter = ''): Promise<Capture> {
    const capture = new Capture(host, iface, filter);
    await capture.program.waitFor(/listening on/);
    return capture;
  }

  /** Ends the capture; returns the file, in pcap format. */
  async stop(): Promise<Uint8Array> {
    await this.program.stop();
    return readFileSync(this.file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
