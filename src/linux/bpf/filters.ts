import { NetlinkQuery } from '../netlink.ts';

const RTM_GETTFILTER = 46;
/** struct tcmsg: family, interface, handle, parent, info. */
const [BODY, IFINDEX, PARENT] = [20, 4, 12];
/** Of clsact: ingress and egress. */
const PARENTS = [0xffff_fff2, 0xffff_fff3];

/** Whether an interface has filters at clsact, of whomever. True where it cannot be asked. */
export function hasFilters(ifindex: number): boolean {
  const query = new NetlinkQuery();
  try {
    return PARENTS.some((parent) => {
      let filters = 0;
      query.begin(RTM_GETTFILTER, BODY, (view, at) => {
        view.setInt32(at + IFINDEX, ifindex, true);
        view.setUint32(at + PARENT, parent, true);
      });
      return !query.list(() => filters++) || filters > 0;
    });
  } finally {
    query.close();
  }
}
