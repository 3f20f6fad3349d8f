/** The module of a thread that does a part of a server's work. */
import { kernelPorts } from '../../io/kernel-ports.ts';
import { parentThread } from '../../io/workers/worker-thread.ts';
import type { ServerWorkerData } from './server-messages.ts';
import { ServerWorkerPart } from './server-worker-part.ts';

new ServerWorkerPart(parentThread<ServerWorkerData>(), kernelPorts()).start();
