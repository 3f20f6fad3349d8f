/** Loads a page in Chromium through a SOCKS5 proxy, and prints its text: `browse.mjs PROXY URL`. */
import { chromium } from 'playwright-core';

const [proxy, url] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox'],
  proxy: { server: `socks5://${proxy}` },
});
const page = await browser.newPage();
await page.goto(url);
await page.waitForFunction('document.title === "loaded"');
console.log(await page.innerText('body'));
await browser.close();
