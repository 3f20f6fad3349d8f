import { SystemCallError } from '../errors.ts';
import { NetlinkQuery } from '../netlink.ts';

const RTM_GETTFILTER = 46;
/** struct tcmsg: family, interface, handle, parent, info (the upper half: priority). */
const [BODY, IFINDEX, HANDLE, PARENT, INFO] = [20, 4, 8, 12, 16];
/** Of clsact. */
const PARENTS = { ingress: 0xffff_fff2, egress: 0xffff_fff3 } as const;

/** Whether an interface has any filters at clsact. True if the kernel cannot be asked, as without descriptors. */
export function hasFilters(ifindex: number): boolean {
  let filters = 0;
  try {
    return (
      !list(ifindex, PARENTS.ingress, () => filters++) ||
      !list(ifindex, PARENTS.egress, () => filters++) ||
      filters > 0
    );
  } catch (error) {
    if (error instanceof SystemCallError) return true;
    throw error;
  }
}

/** The handles of the filters of this priority at clsact; none if the kernel cannot be asked. */
export function filterHandles(ifindex: number, direction: keyof typeof PARENTS, priority: number): number[] {
  const handles: number[] = [];
  const listed = list(ifindex, PARENTS[direction], (view, at) => {
    const handle = view.getUint32(at + HANDLE, true);
    if (view.getUint32(at + INFO, true) >>> 16 === priority && handle !== 0) handles.push(handle);
  });
  return listed ? handles : [];
}

function list(ifindex: number, parent: number, see: (view: DataView, at: number) => void): boolean {
  const query = new NetlinkQuery();
  try {
    query.begin(RTM_GETTFILTER, BODY, (view, at) => {
      view.setInt32(at + IFINDEX, ifindex, true);
      view.setUint32(at + PARENT, parent, true);
    });
    return query.list((view, at) => see(view, at));
  } finally {
    query.close();
  }
}
