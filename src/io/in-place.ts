export { waitInPlace, work } from '../linux/in-place.ts';
