export {
  countSystemFailure,
  isShortage,
  noteSystemFailure,
  onSystemFailure,
  survive,
  systemErrorIn,
  systemFailures,
} from '../linux/system-failures.ts';
