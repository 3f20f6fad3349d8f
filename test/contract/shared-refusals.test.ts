/** Each system call fails once with which a tunnel or port for several workers is opened: nothing is left open. */
import { readdirSync } from 'node:fs';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { EnvironmentError } from '../../src/io/errors.ts';
import { kernelPorts } from '../../src/io/kernel-ports.ts';
import type { WorkerPorts } from '../../src/io/workers/worker-ports.ts';
import { enterNewNetwork } from '../../src/linux/netns.ts';
import { sys } from '../../src/linux/libc.ts';
import { openSharedPort } from '../../src/linux/shared-port.ts';
import { openTunQueues } from '../../src/linux/tun.ts';
import { ip } from '../support/iproute.ts';
import { makeRefusable } from '../support/refusable-calls.ts';
import { ERRORS, record, refuse } from '../support/refusing-system.ts';
import { LOOPBACK, isRoot } from './adapters.ts';

const NAME = 'tdrefused';
const OPTIONS = { address: LOOPBACK, port: 0 };
const WORKERS = 2;

/** Opens something, with the remains of an earlier process; returns all that is open then. */
type Opening = (ports: WorkerPorts) => readonly (number | { close(): void })[];

const tunnel: Opening = (ports) => {
  const steering = { key: 0x5eed_0001, factor: 0x9e37_79b1, workers: WORKERS };
  const { tun, udp, others } = ports.openSharedTunnel(NAME, OPTIONS, steering);
  return [tun, udp, ...others.flatMap((other) => [other.tun, other.udp])];
};

const peerTunnel =
  (left?: { readonly tun: number; readonly udp: number }): Opening =>
  (ports) => {
    const { tun, udp, others, sharing } = ports.openPeerTunnel(NAME, OPTIONS, WORKERS, 2, left);
    return [tun, udp, ...others.flatMap((other) => [other.tun, other.udp]), sharing];
  };

function leftTunnel(): Opening {
  const [tun] = openTunQueues(NAME, 1);
  const [udp, other] = openSharedPort(LOOPBACK, 0, WORKERS, () => {});
  sys.close(other!); // its process has ended
  return peerTunnel({ tun: tun!, udp: udp! });
}

const port: Opening = (ports) => {
  const { own, others } = ports.openSharedUdp(OPTIONS, WORKERS, 3);
  return [own, ...others];
};

function leftPort(): Opening {
  const left = openSharedPort(LOOPBACK, 0, WORKERS, () => {});
  return (ports) => {
    const { own, others } = ports.takeOver(left, OPTIONS, 3);
    return [own, ...others];
  };
}

describe.skipIf(!isRoot)('a call that fails', () => {
  beforeAll(async () => {
    enterNewNetwork();
    await ip('link', 'set', 'lo', 'up');
    makeRefusable();
  });

  test.each<[string, () => Opening]>([
    ['a tunnel', () => tunnel],
    ["a client's tunnel", () => peerTunnel()],
    ["a client's tunnel of an earlier process", leftTunnel],
    ['a port', () => port],
    ['a port of an earlier process', leftPort],
  ])('%s: no descriptor is left open', (_, prepare) => {
    const ports = kernelPorts().workers!;
    const close = (opened: ReturnType<Opening>): void => {
      for (const one of opened)
        if (typeof one === 'number') ports.discard(one);
        else one.close();
    };
    close(prepare()(ports)); // loads the libraries
    const opening = prepare();
    const recording = record();
    const opened = opening(ports);
    const sites = recording.end();
    close(opened);
    const before = descriptors();
    let failed = 0;
    for (const site of sites) {
      const next = prepare();
      const end = refuse(site, ERRORS.ENOMEM);
      onTestFinished(() => void end());
      try {
        close(next(ports));
      } catch (error) {
        expect(error, site).toBeInstanceOf(EnvironmentError);
        failed++;
      }
      end();
      expect(descriptors(), site).toEqual(before);
    }
    expect(failed).toBeGreaterThan(1);
  });
});

function descriptors(): string[] {
  return readdirSync('/proc/self/fd');
}
