// A user's program, live: drives a browser that somebody else started over the site beside this file, and deletes it in
// `finally`, as users write it.
//
//   node live.mjs DEVTOOLS_URL MILLISECONDS [throws]     (called by s2-scenarios, class browser-delete)
//
// Output, a line each: {"event":{…}} for what the browser emits, {"caught":"…"}, then {"delete":true}, behind which the page goes
// on until somebody ends it. MILLISECONDS: how long the last page is watched. throws: the program has a mistake.
import {chromium} from 'playwright-core';
import {capture} from './capture.mjs';
import {startSite} from './site.mjs';

const [devtools, watched, mistake] = process.argv.slice(2);
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n');
process.stdout.on('error', () => process.exit(1));  // nobody listens any more
const site = await startSite();

try {
  const browser = await chromium.connectOverCDP(devtools);
  const page = browser.contexts()[0].pages()[0] ?? await browser.contexts()[0].newPage();
  await capture(page, (type, category, event, data, url, metadata) =>
    say({event: {type, category, source: {kind: 'cdp', event, metadata}, url, detail_level: 'default', data}}));
  await page.goto(site.origin + '/shop.html', {waitUntil: 'load'});
  for (const card of [1, 4, 7]) await page.click(`#card-${card} button`);
  await page.goto(site.origin + '/dashboard.html', {waitUntil: 'load'});
  await page.waitForTimeout(Number(watched));
  await page.click(mistake ? '#no-such-button' : '#fail', {timeout: 300});
} catch (error) {
  say({caught: String(error.message ?? error).split('\n')[0]});
} finally {
  say({delete: true});
}
setInterval(() => {}, 1000);  // the page goes on
