export { threadTimeMs } from '../linux/thread-time.ts';
