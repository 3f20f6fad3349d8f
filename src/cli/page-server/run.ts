import type { ReadyStatus, RoleStatus } from '../../control/status.ts';
import { verdictOn } from '../../daemon/readiness.ts';
import { findAnswers } from '../commands/ask-daemon.ts';
import { printLine } from '../output.ts';
import { openBrowser } from './open-browser.ts';
import { servePage } from './page-server.ts';
import type { DaemonSource } from './page-server.ts';

/** Serves the page until a signal. Fails where no daemon is to be shown. */
export async function runDashboard(
  name: string | undefined,
  options: { readonly open: boolean },
): Promise<void> {
  const { found } = await findAnswers<RoleStatus>(name, { command: 'status' });
  const server = await servePage(sourceOf(name ?? found[0]!.answer.name));
  printLine(server.url);
  printLine('This page is served until you press Ctrl-C.');
  const forget = options.open ? opened(server.url) : () => {};
  await interrupted();
  forget();
  server.close();
}

/** The URL is printed anyway. */
function opened(url: string): () => void {
  try {
    return openBrowser(url, process.env);
  } catch (error) {
    printLine(`No browser is opened: ${(error as Error).message}`);
    return () => {};
  }
}

/** All daemons here, and the one of the command. */
function sourceOf(first: string): DaemonSource {
  return {
    list: async (): Promise<ReadyStatus> => {
      const { found, failures } = await findAnswers<RoleStatus>(undefined, { command: 'status' });
      const daemons = found.map(({ answer }) => verdictOn(answer));
      const ready = failures.length === 0 && daemons.every((one) => one.ready);
      return { version: 1, ready, daemons, failures: failures.map(({ message }) => message) };
    },
    socketOf: async (name = first) => {
      const { found } = await findAnswers<RoleStatus>(name, { command: 'status' });
      return found[0]!.path;
    },
  };
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
}
