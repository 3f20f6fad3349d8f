import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Opens the URL where there is a display. All users of the host see the arguments of a program, and the URL has a secret: so the browser gets a file that
 * only this user can read, and that leads there. Returns a function that removes it. Throws where there can be no file.
 */
export function openBrowser(url: string, environment: NodeJS.ProcessEnv): () => void {
  if (!hasDisplay(environment)) return () => {};
  const folder = mkdtempSync(join(environment['XDG_RUNTIME_DIR'] ?? tmpdir(), 'teredo-dashboard-')); // 0700
  const file = join(folder, 'open.html');
  writeFileSync(file, pageTo(url), { mode: 0o600, flag: 'wx' });
  const opener = spawn('xdg-open', [file], { stdio: 'ignore', detached: true });
  opener.on('error', () => {}); // xdg-open is not installed
  opener.unref();
  return () => rmSync(folder, { recursive: true, force: true });
}

function hasDisplay({ DISPLAY, WAYLAND_DISPLAY }: NodeJS.ProcessEnv): boolean {
  return (DISPLAY ?? '') !== '' || (WAYLAND_DISPLAY ?? '') !== '';
}

function pageTo(url: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url=${url}">
<title>Teredo</title>
<a href="${url}">The page of teredo dashboard</a>
</html>
`;
}
