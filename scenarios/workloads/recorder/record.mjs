// Records a workload: drives headless Chromium over the site beside this file and writes what the browser emitted,
// through its DevTools protocol, as telemetry events with their times.
//
//   node record.mjs OUT.jsonl        (called by ci/record-workload, which compresses and checks the result)
//
// Output: one header line, then a line an event: {"t_us", "event":{type, category, source, url, detail_level, data}}.
import {createWriteStream} from 'node:fs';
import {finished} from 'node:stream/promises';
import {chromium} from 'playwright-core';
import {startSite} from './site.mjs';

const kStandInOrigin = 'https://shop.example';  // recorded addresses must not depend on the port of this run
const kMaxBodyBytes = 1_400_000;

const out = createWriteStream(process.argv[2] ?? 'recording.jsonl');
const site = await startSite();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync'],
});
const page = await browser.newPage({viewport: {width: 1280, height: 800}});
const devtools = await page.context().newCDPSession(page);
const scrub = (text) => text.replaceAll(site.origin, kStandInOrigin);
const began = process.hrtime.bigint();
const pendingBodies = new Set();

out.write(JSON.stringify({version: 1, browser: browser.version(), pages: 'scenarios/workloads/recorder/pages'}) + '\n');

function emit(type, category, event, data, url = page.url(), metadata = {}) {
  const line = {t_us: Number((process.hrtime.bigint() - began) / 1000n),
                event: {type, category, source: {kind: 'cdp', event, metadata}, url, detail_level: 'default', data}};
  out.write(scrub(JSON.stringify(line)) + '\n');
}

const texts = (args) => args.map((a) => a.value ?? a.unserializableValue ?? a.description ?? a.type);
devtools.on('Runtime.consoleAPICalled', ({type, args, stackTrace}) =>
  emit(type === 'error' ? 'console_error' : 'console_log', 'console', 'Runtime.consoleAPICalled',
       {level: type, text: texts(args).join(' '), stack: stackTrace?.callFrames?.slice(0, 8)}));
devtools.on('Runtime.exceptionThrown', ({exceptionDetails: e}) =>
  emit('console_error', 'console', 'Runtime.exceptionThrown',
       {level: 'exception', text: e.exception?.description ?? e.text, line: e.lineNumber}));
devtools.on('Log.entryAdded', ({entry}) =>
  emit('console_log', 'console', 'Log.entryAdded', {level: entry.level, text: entry.text, source: entry.source}));

const requests = new Map();
devtools.on('Network.requestWillBeSent', ({requestId, request, type, initiator}) => {
  requests.set(requestId, {url: request.url, type});
  emit('network_request', 'network', 'Network.requestWillBeSent',
       {request_id: requestId, method: request.method, headers: request.headers, resource_type: type,
        post_data: request.postData, initiator: initiator.type}, request.url, {resource_type: type ?? ''});
});
devtools.on('Network.responseReceived', ({requestId, response, type}) =>
  emit('network_response', 'network', 'Network.responseReceived',
       {request_id: requestId, status: response.status, mime_type: response.mimeType, headers: response.headers,
        timing: response.timing, protocol: response.protocol}, response.url, {resource_type: type ?? ''}));
devtools.on('Network.loadingFinished', ({requestId, encodedDataLength}) => {
  const request = requests.get(requestId);
  if (!request) return;
  const work = devtools.send('Network.getResponseBody', {requestId}).then(
    ({body, base64Encoded}) => emit('network_loading_finished', 'network', 'Network.loadingFinished',
      {request_id: requestId, encoded_bytes: encodedDataLength, base64: base64Encoded, body: body.slice(0, kMaxBodyBytes)},
      request.url, {resource_type: request.type ?? ''}),
    () => emit('network_loading_finished', 'network', 'Network.loadingFinished',
      {request_id: requestId, encoded_bytes: encodedDataLength}, request.url, {}));
  pendingBodies.add(work);
  work.finally(() => pendingBodies.delete(work));
});
devtools.on('Network.loadingFailed', ({requestId, errorText, canceled}) =>
  emit('network_loading_failed', 'network', 'Network.loadingFailed',
       {request_id: requestId, error: errorText, canceled}, requests.get(requestId)?.url ?? ''));

devtools.on('Page.frameNavigated', ({frame, type}) =>
  emit('page_navigation', 'page', 'Page.frameNavigated', {frame_id: frame.id, type, mime_type: frame.mimeType}, frame.url));
devtools.on('Page.domContentEventFired', () => emit('page_dom_content_loaded', 'page', 'Page.domContentEventFired', {}));
devtools.on('Page.loadEventFired', () => emit('page_load', 'page', 'Page.loadEventFired', {}));
devtools.on('Page.navigatedWithinDocument', ({url}) =>
  emit('page_navigation', 'page', 'Page.navigatedWithinDocument', {within_document: true}, url));
devtools.on('PerformanceTimeline.timelineEventAdded', ({event}) =>
  emit('page_performance', 'page', 'PerformanceTimeline.timelineEventAdded', {kind: event.type, time: event.time,
       layout_shift: event.layoutShiftDetails, paint: event.lcpDetails}));

devtools.on('Runtime.bindingCalled', ({payload}) => {
  const {kind, ...data} = JSON.parse(payload);
  emit(`interaction_${kind}`, 'interaction', 'Runtime.bindingCalled', data);
});
for (const domain of ['Runtime', 'Log', 'Network', 'Page']) await devtools.send(`${domain}.enable`);
await devtools.send('PerformanceTimeline.enable', {eventTypes: ['largest-contentful-paint', 'layout-shift']});
await devtools.send('Runtime.addBinding', {name: 'reportInteraction'});
await page.addInitScript(() => {
  const name = (node) => node?.closest?.('[id]')?.id || node?.tagName?.toLowerCase() || 'document';
  const report = (kind, data) => window.reportInteraction(JSON.stringify({kind, ...data}));
  addEventListener('click', (e) => report('click', {target: name(e.target), x: e.clientX, y: e.clientY}), true);
  addEventListener('keydown', (e) => report('key', {target: name(e.target), key: e.key}), true);
  addEventListener('input', (e) => report('input', {target: name(e.target), length: e.target.value?.length ?? 0}), true);
  addEventListener('focusin', (e) => report('focus', {target: name(e.target)}), true);
  let settle;
  addEventListener('scroll', () => { clearTimeout(settle); settle = setTimeout(() => report('scroll', {y: scrollY}), 60); }, true);
});

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
