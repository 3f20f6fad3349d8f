import { CAPABILITY, hasCapability } from '../../linux/capabilities.ts';
import { SystemCallError } from '../../linux/errors.ts';

/** Why the kernel carries no packets, in words, from the error of its refusal. `has`: whether this process has a capability. */
export function explainNoKernelPath(error: Error, has = hasCapability): string {
  if (!(error instanceof SystemCallError)) return error.message;
  const isLoad = error.call === 'bpf_object__load';
  // The verifier refuses programs of users that may not see pointers; with the capability the refusal has another reason.
  if (error.code === 'EACCES' && isLoad && !has(CAPABILITY.PERFMON) && !has(CAPABILITY.SYS_ADMIN))
    return 'not permitted: on this kernel it needs root, or CAP_PERFMON, CAP_BPF and CAP_NET_ADMIN';
  if ((error.code === 'EACCES' && !isLoad) || error.code === 'EPERM')
    return 'not permitted: it needs root, or CAP_BPF and CAP_NET_ADMIN';
  if (isLoad) return `this kernel refuses the programs; they need Linux 5.15 or later (${error.message})`;
  return `the system refused: ${error.message}`;
}
