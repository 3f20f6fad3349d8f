/** The dashboard as one HTML file: style, program and the chart library are in it, and its policy allows nothing else. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run.mjs';

const SOURCE = join(root, 'src', 'dashboard');
const UPLOT = join(root, 'node_modules', 'uplot');

/** Writes the page. */
export async function buildDashboard(file) {
  const program = (await bundle()).replaceAll('</script', String.raw`<\/script`);
  const style = minified(`${read(UPLOT, 'dist', 'uPlot.min.css')}\n${read(SOURCE, 'style.css')}`);
  const page = read(SOURCE, 'index.html');
  const parts = {
    policy: `<meta http-equiv="Content-Security-Policy" content="${policy(program, style)}" />`,
    style: `<style>${style}</style>`,
    script: `<script>${program}</script>\n    <!-- uPlot:\n${read(UPLOT, 'LICENSE').trim()}\n-->`,
  };
  const whole = page.replaceAll(/<!-- (policy|style|script) -->/g, (_, name) => parts[name]);
  writeFileSync(file, whole);
}

async function bundle() {
  const { rolldown } = await import('rolldown'); // it may have been installed just now
  const whole = await rolldown({ input: join(SOURCE, 'main.ts'), platform: 'browser' });
  const { output } = await whole.generate({ format: 'iife', minify: true, codeSplitting: false });
  await whole.close();
  return output[0].code.trim();
}

/** Only this program and this style, and only requests to where the page comes from. No text may become HTML. */
function policy(program, style) {
  return [
    "default-src 'none'",
    `script-src '${hash(program)}'`,
    `style-src '${hash(style)}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ');
}

function hash(text) {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

function minified(css) {
  return css
    .replaceAll(/\/\*[^]*?\*\//g, '')
    .replaceAll(/\s*\n\s*/g, '\n')
    .trim();
}

function read(...path) {
  return readFileSync(join(...path), 'utf8');
}
