export { notifySystemd } from '../linux/systemd.ts';
