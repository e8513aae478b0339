// What a page does, as telemetry events: its DevTools protocol, and what is typed and clicked.
//
// capture(page, emit) calls emit(type, category, devtools event, data, url, metadata) for each, from now on; gives the set of
// promises of bodies that are still under way.
const kMaxBodyBytes = 1_400_000;

const texts = (args) => args.map((a) => a.value ?? a.unserializableValue ?? a.description ?? a.type);

export async function capture(page, emit) {
  const devtools = await page.context().newCDPSession(page);
  const pendingBodies = new Set();
  const say = (type, category, event, data, url = page.url(), metadata = {}) => emit(type, category, event, data, url, metadata);
  devtools.on('Runtime.consoleAPICalled', ({type, args, stackTrace}) =>
    say(type === 'error' ? 'console_error' : 'console_log', 'console', 'Runtime.consoleAPICalled',
         {level: type, text: texts(args).join(' '), stack: stackTrace?.callFrames?.slice(0, 8)}));
  devtools.on('Runtime.exceptionThrown', ({exceptionDetails: e}) =>
    say('console_error', 'console', 'Runtime.exceptionThrown',
         {level: 'exception', text: e.exception?.description ?? e.text, line: e.lineNumber}));
  devtools.on('Log.entryAdded', ({entry}) =>
    say('console_log', 'console', 'Log.entryAdded', {level: entry.level, text: entry.text, source: entry.source}));

  const requests = new Map();
  devtools.on('Network.requestWillBeSent', ({requestId, request, type, initiator}) => {
    requests.set(requestId, {url: request.url, type});
    say('network_request', 'network', 'Network.requestWillBeSent',
         {request_id: requestId, method: request.method, headers: request.headers, resource_type: type,
          post_data: request.postData, initiator: initiator.type}, request.url, {resource_type: type ?? ''});
  });
  devtools.on('Network.responseReceived', ({requestId, response, type}) =>
    say('network_response', 'network', 'Network.responseReceived',
         {request_id: requestId, status: response.status, mime_type: response.mimeType, headers: response.headers,
          timing: response.timing, protocol: response.protocol}, response.url, {resource_type: type ?? ''}));
  devtools.on('Network.loadingFinished', ({requestId, encodedDataLength}) => {
    const request = requests.get(requestId);
    if (!request) return;
    const work = devtools.send('Network.getResponseBody', {requestId}).then(
      ({body, base64Encoded}) => say('network_loading_finished', 'network', 'Network.loadingFinished',
        {request_id: requestId, encoded_bytes: encodedDataLength, base64: base64Encoded, body: body.slice(0, kMaxBodyBytes)},
        request.url, {resource_type: request.type ?? ''}),
      () => say('network_loading_finished', 'network', 'Network.loadingFinished',
        {request_id: requestId, encoded_bytes: encodedDataLength}, request.url, {}));
    pendingBodies.add(work);
    work.finally(() => pendingBodies.delete(work));
  });
  devtools.on('Network.loadingFailed', ({requestId, errorText, canceled}) =>
    say('network_loading_failed', 'network', 'Network.loadingFailed',
         {request_id: requestId, error: errorText, canceled}, requests.get(requestId)?.url ?? ''));

  devtools.on('Page.frameNavigated', ({frame, type}) =>
    say('page_navigation', 'page', 'Page.frameNavigated', {frame_id: frame.id, type, mime_type: frame.mimeType}, frame.url));
  devtools.on('Page.domContentEventFired', () => say('page_dom_content_loaded', 'page', 'Page.domContentEventFired', {}));
  devtools.on('Page.loadEventFired', () => say('page_load', 'page', 'Page.loadEventFired', {}));
  devtools.on('Page.navigatedWithinDocument', ({url}) =>
    say('page_navigation', 'page', 'Page.navigatedWithinDocument', {within_document: true}, url));
  devtools.on('PerformanceTimeline.timelineEventAdded', ({event}) =>
    say('page_performance', 'page', 'PerformanceTimeline.timelineEventAdded', {kind: event.type, time: event.time,
         layout_shift: event.layoutShiftDetails, paint: event.lcpDetails}));

  devtools.on('Runtime.bindingCalled', ({payload}) => {
    const {kind, ...data} = JSON.parse(payload);
    say(`interaction_${kind}`, 'interaction', 'Runtime.bindingCalled', data);
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
  return pendingBodies;
}
