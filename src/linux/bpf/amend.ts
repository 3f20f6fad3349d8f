import { SystemCallError } from '../errors.ts';
import { AMENDMENT } from './layout.ts';
import { TestRuns } from './test-run.ts';

const ETHERNET = 14;

/** Runs the program `amend`, which changes a peer's entry in place while the other programs count in it. */
export class Amender {
  private readonly frame = new Uint8Array(ETHERNET + AMENDMENT.SIZE);
  private readonly view = new DataView(this.frame.buffer, ETHERNET);
  private readonly runs: TestRuns;

  constructor(program: number) {
    this.runs = new TestRuns(program, this.frame.length);
  }

  /** `fill` writes the fields of an AMENDMENT, all of which are 0. False if the peer is not in the table, or the kernel refuses. */
  amend(peer: Uint8Array, fill: (view: DataView) => void): boolean {
    this.frame.fill(0);
    this.frame.set(peer, ETHERNET + AMENDMENT.peer);
    fill(this.view);
    try {
      return this.runs.run(this.frame).verdict === 0;
    } catch (error) {
      if (error instanceof SystemCallError) return false; // no memory, or too many runs at once
      throw error;
    }
  }
}
