import type { SourcePath } from './source-path.ts';

/** The client for which the proxy does something. */
export interface Asker {
  readonly source: SourcePath;
  /** It has gone. */
  readonly gone: AbortSignal;
}
