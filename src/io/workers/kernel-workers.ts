import { HEADROOM } from '../../core/machine.ts';
import { sys } from '../../linux/libc.ts';
import { openSharedPort, steerBySource } from '../../linux/shared-port.ts';
import { UdpSocket } from '../../linux/udp.ts';
import { explainBind } from '../explain-bind.ts';
import type { UdpOptions } from '../port-factory.ts';
import type { Udp } from '../ports.ts';
import { refusable } from '../refusable.ts';
import type { SharedUdp, WorkerPorts } from './worker-ports.ts';
import { startThread } from './worker-thread.ts';

/** Threads of this process, and sockets of the kernel for them. */
export const kernelWorkers: WorkerPorts = {
  openSharedUdp: (options, count, key) => {
    const opened = refusable(
      () => openSharedPort(options.address, options.port, count, key),
      (error) => explainBind(error, options),
    );
    return shared(opened, options);
  },
  takeOver: (left, options, key) => {
    refusable(() => steerBySource(left, key));
    return shared(left, options);
  },
  adoptUdp,
  discard: (other) => void sys.close(other),
  startThread,
};

function shared([own, ...others]: readonly number[], options: UdpOptions): SharedUdp {
  try {
    return { own: adoptUdp(own!, options), others };
  } catch (error) {
    for (const other of others) sys.close(other);
    throw error;
  }
}

function adoptUdp(kept: number, options: UdpOptions): Udp {
  return refusable(() => new UdpSocket({ ...options, headroom: HEADROOM, kept }));
}
