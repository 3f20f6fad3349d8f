import { beforeEach, expect, test, vi } from 'vitest';
import { SystemCallError } from '../../linux/errors.ts';
import { E } from '../../linux/libc.ts';
import { parseIpv4 } from '../../wire/index.ts';
import { wayToGateway } from './way-to-gateway.ts';

let refusal: Error | undefined;
let closed = 0;
vi.mock('../../linux/route-query.ts', () => ({
  RouteQuery: class {
    wayTo(): { gateway: string; source: number } {
      if (refusal !== undefined) throw refusal;
      return { gateway: 'c0000201', source: 7 };
    }
    close(): void {
      closed++;
    }
  },
}));

const ENOBUFS = 105;
const ask = () => wayToGateway({ address: 0, port: 1 }, 2);
beforeEach(() => {
  closed = 0;
});

test('a mere shortage is thrown, so that it is asked again: there may well be a gateway', () => {
  for (const error of [ENOBUFS, E.ENOMEM, E.EAGAIN]) {
    refusal = new SystemCallError('RTM_GETROUTE', error);
    expect(ask).toThrow(refusal);
  }
  refusal = undefined;
  expect(ask()).toEqual({ gateway: parseIpv4('192.0.2.1'), source: 7 });
  expect(closed).toBe(4);
});

test('a kernel that does not let the way be asked for has none', () => {
  refusal = new SystemCallError('RTM_GETROUTE', E.EPERM);
  expect(ask()).toBeUndefined();
});
