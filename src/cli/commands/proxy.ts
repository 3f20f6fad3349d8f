import { Command } from 'commander';
import { PROXY_OPTIONS } from '../../runtime/settings/proxy-options.ts';
import { addOptions, valuesOf } from '../flags.ts';

/** `teredo proxy` */
export function proxyCommand(finish: (exitCode: number) => void): Command {
  const command = new Command('proxy').description(
    'a SOCKS5 and HTTP proxy by which programs reach IPv6 hosts, without root',
  );
  addOptions(command, PROXY_OPTIONS);
  return command.action(async () => {
    const { runProxy } = await import('../../daemon/run-proxy.ts');
    finish(await runProxy(valuesOf(command, PROXY_OPTIONS)));
  });
}
