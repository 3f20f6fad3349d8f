/** The Teredo client. RFC 4380 section 5.2, RFC 5991. */
export { ClientMachine } from './client-machine.ts';
export { SOCKET } from './options.ts';
export type { AttachedNetwork, ClientOptions, ServerCandidate } from './options.ts';
export { CLIENT_LIMITS } from './limits.ts';
export type { ClientLimits } from './limits.ts';
export type { KnownQualification } from './service/service.ts';
export type {
  AdvertisementReason,
  Answer,
  ClientMachineStatus,
  ContactProgress,
  InvalidAnswer,
  PeerMeans,
  PeerStatus,
  SentSolicitation,
  ServerResult,
} from './status.ts';
