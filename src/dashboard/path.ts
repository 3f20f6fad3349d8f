/** The picture of the path as nodes and links, without places: what is shown, and which part is broken. */

export type Condition = 'good' | 'broken' | 'waiting' | 'unused' | 'unknown';
export type NodeKind = 'host' | 'nat' | 'server' | 'relay' | 'clients' | 'internet';

export interface PathNode {
  readonly kind: NodeKind;
  readonly title: string;
  readonly lines: readonly string[];
  /** Why it is in this condition, or a measured value. */
  readonly note?: string;
  readonly condition: Condition;
}

export interface PathLink {
  readonly from: NodeKind;
  readonly to: NodeKind;
  readonly condition: Condition;
}

export interface PathModel {
  readonly nodes: readonly PathNode[];
  readonly links: readonly PathLink[];
  /** For readers that do not see it. */
  readonly description: string;
}

export function noted(note: string | undefined): { note?: string } {
  return note === undefined ? {} : { note };
}
