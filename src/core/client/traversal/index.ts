/** How a peer behind NATs is reached. Other rooms use only this. */
export { Traversal } from './traversal.ts';
