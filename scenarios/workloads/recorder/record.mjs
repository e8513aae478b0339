// Records a workload: drives headless Chromium over the site beside this file and writes what the browser emitted,
// through its DevTools protocol, as telemetry events with their times.
//
//   node record.mjs OUT.jsonl        (called by ci/record-workload, which compresses and checks the result)
//
// Output: one header line, then a line an event: {"t_us", "event":{type, category, source, url, detail_level, data}}.
import {createWriteStream} from 'node:fs';
import {finished} from 'node:stream/promises';
import {chromium} from 'playwright-core';
import {capture} from './capture.mjs';
import {startSite} from './site.mjs';

const kStandInOrigin = 'https://shop.example';  // recorded addresses must not depend on the port of this run

const out = createWriteStream(process.argv[2] ?? 'recording.jsonl');
const site = await startSite();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync'],
});
const page = await browser.newPage({viewport: {width: 1280, height: 800}});
const scrub = (text) => text.replaceAll(site.origin, kStandInOrigin);
const began = process.hrtime.bigint();

out.write(JSON.stringify({version: 1, browser: browser.version(), pages: 'scenarios/workloads/recorder/pages'}) + '\n');

function emit(type, category, event, data, url, metadata) {
  const line = {t_us: Number((process.hrtime.bigint() - began) / 1000n),
                event: {type, category, source: {kind: 'cdp', event, metadata}, url, detail_level: 'default', data}};
  out.write(scrub(JSON.stringify(line)) + '\n');
}

const pendingBodies = await capture(page, emit);

// The drive: what a person's automation does.
const visit = async (path) => { await page.goto(site.origin + path, {waitUntil: 'load'}); };
const scroll = async (times, by = 700) => {
  for (let i = 0; i < times; ++i) { await page.mouse.wheel(0, by); await page.waitForTimeout(90); }
};

await visit('/shop.html');
for (const card of [1, 4, 7, 9, 12]) await page.click(`#card-${card} button`);
for (const tag of ['amber', 'drift', 'ridge']) { await page.fill('#search', ''); await page.type('#search', tag, {delay: 15}); }
await page.click('#catalogue');
await page.waitForSelector('#catalogue-ready');
await visit('/form.html');
await page.type('#name', 'Zoë Ångström 山田 太郎', {delay: 10});
await page.type('#address', 'Straße 7, 東京', {delay: 10});
await page.click('#submit');
await page.type('#email', 'zoe@example.org', {delay: 10});
await page.click('#submit');
await page.waitForSelector('#accepted');
await visit('/feed.html');
await scroll(16);
await page.click('#language');
await scroll(4, -1500);
await visit('/dashboard.html');
await page.waitForSelector('#state:text("settled")');
await page.click('#export');
await page.waitForSelector('#export-ready');
await page.click('#fail');
await page.waitForTimeout(300);
await visit('/missing.html');
await page.goBack();
await visit('/feed.html');
await scroll(8);
await visit('/dashboard.html');
await page.waitForSelector('#state:text("settled")');
await visit('/shop.html');
for (let card = 1; card <= 20; ++card) await page.click(`#card-${card} button`);
await page.click('#throw');
await page.waitForTimeout(200);

await Promise.all(pendingBodies);
await browser.close();
site.close();
out.end();
await finished(out);
