import { readFileSync } from 'node:fs';
import { SystemCallError } from './errors.ts';
import { NETLINK_XFRM, NetlinkQuery, forEachAttribute } from './netlink.ts';

const XFRM_MSG_GETSPDINFO = 0x25;
/** The request's body: flags. */
const BODY = 4;
/** struct xfrmu_spdinfo: numbers of policies inward, outward, forward, then those of single sockets. */
const XFRMA_SPD_INFO = 1;

/**
 * Whether this network namespace has IPsec policies for packets that it receives or sends itself; it does not look at which packets. Throws
 * a SystemCallError: EPERM without CAP_NET_ADMIN.
 */
export function hasIpsecPolicies(): boolean {
  if (!isLoaded()) return false;
  const query = new NetlinkQuery(NETLINK_XFRM);
  try {
    let policies = 0;
    const answered = query
      .begin(XFRM_MSG_GETSPDINFO, BODY, () => {})
      .ask((view, at, end) => {
        forEachAttribute(view, at + BODY, end, (type, value, valueEnd) => {
          if (type === XFRMA_SPD_INFO && valueEnd - value >= 8)
            policies = view.getUint32(value, true) + view.getUint32(value + 4, true);
        });
      });
    if (!answered) throw new SystemCallError('XFRM_MSG_GETSPDINFO', query.refusal);
    return policies > 0;
  } finally {
    query.close();
  }
}

/** Whether the module is loaded: a question to it would load it. True if that cannot be determined. */
function isLoaded(): boolean {
  try {
    const lines = readFileSync('/proc/net/netlink', 'utf8').split('\n').slice(1);
    return lines.some((line) => Number(line.split(/\s+/)[1]) === NETLINK_XFRM);
  } catch {
    return true;
  }
}
