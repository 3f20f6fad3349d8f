export { feedWatchdog, notifySystemd } from '../linux/systemd.ts';
