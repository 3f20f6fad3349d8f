import { Guest } from '../io/guest/guest.ts';
import { Target } from '../io/guest/target.ts';
import { EXIT } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';
import { sayEnd, signalled } from './guest-end.ts';
import type { End } from './guest-end.ts';
import { clientMaker, reachIn, whileQualified } from './guest-client.ts';
import type { GuestValues } from './guest-client.ts';
import { announce, openLog } from './log.ts';
import { ownProgram } from './own-program.ts';

/** Gives the network of a process IPv6 through Teredo until the process ends, or a signal comes. */
export async function runAttach(values: GuestValues, pid: number): Promise<ExitCode> {
  await openLog(values);
  const target = Target.open(pid);
  const ended = Promise.race([
    target.ended.then((): End => ({ message: `process ${pid} has ended`, exitCode: EXIT.OK })),
    signalled(),
  ]);
  const attaching = Guest.attach(ownProgram('guest-agent'), target, values.interface);
  attaching.catch(() => {}); // the client says why
  const stay = (address: string | undefined): Promise<End> => {
    const place = `process ${pid} has the IPv6 address ${address} on its interface "${values.interface}"`;
    announce('running', `${place}: ${reachIn(values.inbound)}`);
    return ended;
  };
  try {
    const make = await clientMaker(values);
    const end = await whileQualified(values, (running) => make(attaching, running), ended, stay);
    sayEnd(end);
    return end.exitCode;
  } finally {
    (await attaching.catch(() => undefined))?.close();
    target.close();
  }
}
