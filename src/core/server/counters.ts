import { MALFORMED } from '../decode-counters.ts';

export const SERVER_COUNTERS = [
  'receivedDatagrams',
  'solicitationsAnswered',
  'pingsAnswered',
  'forwardedToClients',
  'forwardedToNative',
  'droppedDenied',
  'droppedSourceNotGlobal',
  'droppedOwnSource',
  ...MALFORMED,
  'droppedNotForwardable',
  'droppedBadChecksum',
  'droppedTooLong',
  'droppedForgedSource',
  'droppedForeignDestination',
  'droppedDestinationNotGlobal',
  'droppedLoop',
  'droppedHopLimit',
  'droppedInvalidSolicitation',
  'droppedUnauthenticated',
  'droppedConeWithoutSecondary',
  'droppedAnswerLimit',
  'droppedForwardLimit',
  'droppedNativeLimit',
] as const;

export type ServerCounter = (typeof SERVER_COUNTERS)[number];
