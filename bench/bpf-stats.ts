import { readFileSync } from 'node:fs';

/** What a program has run so far, while kernel.bpf_stats_enabled is 1. */
export function programRunTime(fd: number): { readonly nanoseconds: number; readonly runs: number } {
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  const of = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)$`, 'm').exec(info)![1]);
  return { nanoseconds: of('run_time_ns'), runs: of('run_cnt') };
}
