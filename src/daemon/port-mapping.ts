import { join } from 'node:path';
import { stateDirectory, whyStateElsewhere } from './state-path.ts';
import type { PortMapping as PortMappingStatus } from '../control/status.ts';
import type { PortMapping } from '../io/ports.ts';
import { formatEndpoint } from '../wire/index.ts';

export const PROTOCOL_NAMES = { pcp: 'PCP', 'nat-pmp': 'NAT-PMP', upnp: 'UPnP' } as const;

/** Where a client of this name keeps the mapping that it has from a gateway. */
export function portMappingFile(name = 'client'): string | undefined {
  const directory = stateDirectory();
  return directory === undefined ? undefined : join(directory, `${name}.port-mapping`);
}

/** Says where the note is where it is not in the folder that was meant for it. */
export function noticesOfPortMappingFile(): string[] {
  const elsewhere = whyStateElsewhere();
  return elsewhere === undefined
    ? []
    : [`warning: ${elsewhere}: opened ports are noted in ${stateDirectory()}`];
}

/** For `teredo status`. */
export function portMappingStatus({ protocol, external, lifetimeMs }: PortMapping): PortMappingStatus {
  const lifetime = lifetimeMs === Infinity ? undefined : { lifetimeSeconds: lifetimeMs / 1000 };
  return { protocol, external: formatEndpoint(external), ...lifetime };
}

export function portMappingInWords({ protocol, external }: PortMappingStatus): string {
  return `${external}, by ${PROTOCOL_NAMES[protocol]}`;
}
