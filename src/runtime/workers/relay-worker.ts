/** The module of a thread that does a part of a relay's work. */
import { kernelPorts } from '../../io/kernel-ports.ts';
import { parentThread } from '../../io/workers/worker-thread.ts';
import type { RelayWorkerData } from './relay-messages.ts';
import { RelayWorkerPart } from './relay-worker-part.ts';

new RelayWorkerPart(parentThread<RelayWorkerData>(), kernelPorts()).start();
