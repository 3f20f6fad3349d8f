/** A guest waits for its agent, so the agent loads its own modules only. */
const isAgent = process.argv[2] === 'guest-agent';

// No top-level await: a single executable of Node.js is CommonJS.
void (isAgent
  ? import('./guest-agent.ts').then(({ runGuestAgent }) => runGuestAgent(process.argv.slice(3)))
  : import('./command-line.ts').then(({ runCommandLine }) => runCommandLine(process.argv)));
