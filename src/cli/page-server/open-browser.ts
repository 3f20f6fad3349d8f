import { spawn } from 'node:child_process';

/** Opens the URL where there is a display; the URL is printed anyway. */
export function openBrowser(url: string, environment: NodeJS.ProcessEnv): void {
  if (!hasDisplay(environment)) return;
  const opener = spawn('xdg-open', [url], { stdio: 'ignore', detached: true });
  opener.on('error', () => {}); // xdg-open is not installed
  opener.unref();
}

function hasDisplay({ DISPLAY, WAYLAND_DISPLAY }: NodeJS.ProcessEnv): boolean {
  return (DISPLAY ?? '') !== '' || (WAYLAND_DISPLAY ?? '') !== '';
}
