import { Command } from 'commander';

const HELP = `
The URL has a token, without which the page shows nothing. It is served on a port of this host alone, asks no other host, and changes nothing. Exit status as of
"teredo status".`;

/** `teredo dashboard`: the state of the daemons in a browser. */
export function dashboardCommand(): Command {
  return new Command('dashboard')
    .description('show in a browser whether the daemons work, their path, peers, traffic and events')
    .argument('[name]', 'the daemon that is shown first')
    .option('--no-open', 'print the URL, but open no browser')
    .addHelpText('after', HELP)
    .action(async (name: string | undefined, options: { readonly open: boolean }) => {
      const { runDashboard } = await import('../page-server/run.ts'); // no other command needs a server of HTTP
      await runDashboard(name, options);
    });
}
