import { expect, test } from 'vitest';
import { CAPABILITY } from '../../linux/capabilities.ts';
import { SystemCallError } from '../../linux/errors.ts';
import { explainNoKernelPath } from './no-kernel-path.ts';

const ALL: readonly number[] = Object.values(CAPABILITY);

test.each<[call: string, errno: number, rights: readonly number[], words: RegExp]>([
  ['bpf_object__load', 13, [], /^not permitted: .* CAP_PERFMON, /],
  ['bpf_object__load', 13, [CAPABILITY.PERFMON], /^this kernel refuses the programs/],
  ['bpf_object__load', 13, [CAPABILITY.SYS_ADMIN], /^this kernel refuses the programs/],
  ['bpf_object__load', 22, ALL, /^this kernel refuses the programs/],
  ['bpf_object__load', 1, [], /^not permitted: it needs root, or CAP_BPF and CAP_NET_ADMIN$/],
  ['bpf_object__open', 13, ALL, /^not permitted: it needs root, or CAP_BPF/],
  ['socket', 24, ALL, /^the system refused: /],
])('%s fails with error %i, the process has the capabilities %j', (call, errno, rights, words) => {
  expect(explainNoKernelPath(new SystemCallError(call, errno), (right) => rights.includes(right))).toMatch(
    words,
  );
});
