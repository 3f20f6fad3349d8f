export {
  countSystemFailure,
  isShortage,
  onSystemFailure,
  survive,
  systemErrorIn,
  systemFailures,
} from '../linux/system-failures.ts';
