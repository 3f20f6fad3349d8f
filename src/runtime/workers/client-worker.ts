/** The module of a thread that carries packets of some of a client's peers. */
import { kernelPorts } from '../../io/kernel-ports.ts';
import { parentThread } from '../../io/workers/worker-thread.ts';
import type { ClientWorkerData } from './client-messages.ts';
import { ClientWorkerPart } from './client-worker-part.ts';

new ClientWorkerPart(parentThread<ClientWorkerData>(), kernelPorts()).start();
