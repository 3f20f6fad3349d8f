import { holderOfUdpPort } from '../linux/proc.ts';
import type { SystemCallError } from '../linux/errors.ts';
import { TEREDO_PORT, formatIpv4 } from '../wire/index.ts';
import { EnvironmentError } from './errors.ts';
import { notPermitted } from './not-permitted.ts';
import type { UdpOptions } from './port-factory.ts';

/** Why an address and port cannot be used, and what to do. */
export function explainBind(
  error: SystemCallError,
  { address, port, few = false }: UdpOptions,
): EnvironmentError | undefined {
  const where = address === 0 ? `UDP port ${port}` : `UDP port ${port} of ${formatIpv4(address)}`;
  if (error.code === 'EADDRINUSE') {
    if (few) return undefined; // one of hundreds of ports, chosen by the kernel: the search for its owner would take too long
    const holder = holderOfUdpPort(port);
    const by = holder === undefined ? '' : ` (by ${holder})`;
    const otherwise = port === TEREDO_PORT ? '' : ', or use another --port'; // a server cannot use another port
    return new EnvironmentError('port-taken', `${where} is taken${by}: end that program${otherwise}`, error);
  }
  if (error.code === 'EADDRNOTAVAIL') {
    return new EnvironmentError(
      'not-local',
      `${formatIpv4(address)} is not an address of this host: "ip -4 address" lists those it has`,
      error,
    );
  }
  if (error.code === 'EACCES') return notPermitted(`using ${where}`, 'CAP_NET_BIND_SERVICE');
  return undefined;
}
