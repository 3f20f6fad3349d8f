/** The objects for programs: each type has a schema in packaging/schema/. */
export type * from './log-line.ts';
export type * from './status.ts';
