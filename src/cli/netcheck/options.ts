import type { Ipv4 } from '../../wire/index.ts';

export interface NetcheckOptions {
  readonly server: string[];
  readonly secondary?: Ipv4 | 'none';
  readonly bind?: number;
  readonly port?: number;
  readonly lifetime?: number | true;
  readonly allowPrivate?: boolean;
  readonly json?: boolean;
}

/** The longest time of the bisection of 120 s. */
export const LIFETIME_SECONDS = 300;
