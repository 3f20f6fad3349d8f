/** A control group for a test, with a BPF program like the one of systemd for IPAddressDeny=. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, libbpf } from '../../src/linux/bpf/libbpf.ts';

/** BPF_CGROUP_INET_INGRESS and _EGRESS. */
const HOOK = { ingress: 0, egress: 1 } as const;
const SOURCE = (hook: string) => `
  #include <linux/bpf.h>
  #include <bpf/bpf_helpers.h>
  SEC("cgroup_skb/${hook}") int deny(struct __sk_buff *skb) { return 0; }
`;

/** Where control groups of version 2 are mounted; undefined: they are not. */
export function controlGroups(): string | undefined {
  return /^\S+ (\S+) cgroup2 /m.exec(readFileSync('/proc/mounts', 'utf8'))?.[1];
}

export class ControlGroup {
  private readonly path: string;
  private readonly before: string;
  private link = -1;

  /** The name has to be unique. */
  constructor(name: string) {
    const root = controlGroups()!;
    this.before = join(root, /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))![1]!);
    this.path = join(root, name);
    mkdirSync(this.path);
  }

  /** Processes started by `begin`, and their sockets, belong to the group. */
  async start<T>(begin: () => Promise<T>): Promise<T> {
    this.join(this.path);
    try {
      return await begin();
    } finally {
      this.join(this.before);
    }
  }

  /** From now on the group's sockets receive no packets, or send none. */
  deny(direction: keyof typeof HOOK): void {
    const folder = mkdtempSync(join(tmpdir(), 'teredo-deny-'));
    const [source, object] = [join(folder, 'deny.c'), join(folder, 'deny.o')];
    writeFileSync(source, SOURCE(direction));
    const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
    const flags = ['-O2', '-g', '-target', 'bpf', `-I/usr/include/${machine}-linux-gnu`];
    const { status, stderr } = spawnSync('clang', [...flags, '-c', source, '-o', object], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
    const lib = libbpf();
    const loaded = lib.openFile(object, 0);
    rmSync(folder, { recursive: true });
    check('load', lib.load(loaded));
    const program = lib.programFd(lib.findProgram(loaded, 'deny'));
    const group = openSync(this.path, 'r');
    this.link = check('link', lib.createLink(program, group, HOOK[direction], 0));
    closeSync(group);
    lib.close(loaded);
  }

  allow(): void {
    if (this.link >= 0) closeSync(this.link);
    this.link = -1;
  }

  /** The processes of the group must have ended. */
  [Symbol.dispose](): void {
    this.allow();
    rmdirSync(this.path);
  }

  private join(path: string): void {
    writeFileSync(join(path, 'cgroup.procs'), String(process.pid));
  }
}
