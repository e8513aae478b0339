// The site that is recorded: serves pages/ and the JSON that those pages fetch, on a loopback port.
//
// Everything it answers is made from a fixed seed, so that two recordings see the same bodies.
import {createServer} from 'node:http';
import {readFile} from 'node:fs/promises';
import {extname, join, normalize} from 'node:path';
import {fileURLToPath} from 'node:url';

const pages = fileURLToPath(new URL('./pages/', import.meta.url));
const types = {'.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8',
               '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml'};
const words = ('amber basket canvas drift ember fjord grain harbour ivory jetty kiln lantern meadow notch orchard ' +
               'pebble quarry ridge saddle thicket umber valley willow yarn zephyr 青い 山 Größe café naïve Ωμέγα').split(' ');

// A small linear congruential generator: enough to make bodies that are varied and always the same.
function generator(seed) {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * limit);
  };
}

function sentence(next, length) {
  return Array.from({length}, () => words[next(words.length)]).join(' ');
}

function product(id) {
  const next = generator(id * 7919 + 1);
  return {id, name: sentence(next, 2), price_cents: 100 + next(20000), stock: next(40), tags: [words[next(20)], words[next(20)]],
          description: sentence(next, 12 + next(20))};
}

// Items until the JSON text has about `bytes` bytes.
function catalogue(bytes) {
  const items = [];
  for (let size = 0, id = 1; size < bytes; ++id) {
    const item = product(id);
    size += Buffer.byteLength(JSON.stringify(item)) + 1;
    items.push(item);
  }
  return {items};
}

const routes = {
  '/api/products': (query) => {
    const page = Number(query.get('page') ?? 0);
    return {page, items: Array.from({length: 24}, (_, i) => product(page * 24 + i + 1))};
  },
  '/api/catalogue': (query) => catalogue(Math.min(Number(query.get('bytes') ?? 100000), 1_300_000)),
  '/api/metrics': (query) => {
    const next = generator(Number(query.get('tick') ?? 0) + 17);
    return {tick: Number(query.get('tick') ?? 0), series: Array.from({length: 30}, () => next(1000))};
  },
  '/api/order': () => ({accepted: true, order: 'A-1042'}),
};

export async function startSite() {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://site');
    if (routes[url.pathname]) {
      const body = JSON.stringify(routes[url.pathname](url.searchParams));
      response.writeHead(200, {'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store'});
      return response.end(body);
    }
    if (url.pathname === '/api/broken') {
      response.writeHead(500, {'content-type': 'application/json'});
      return response.end('{"error":"the warehouse does not answer"}');
    }
    if (url.pathname === '/api/cut') return request.socket.destroy();
    try {
      const path = normalize(url.pathname === '/' ? '/shop.html' : url.pathname);
      const body = await readFile(join(pages, path));
      response.writeHead(200, {'content-type': types[extname(path)] ?? 'application/octet-stream'});
      response.end(body);
    } catch {
      response.writeHead(404, {'content-type': 'text/plain; charset=utf-8'});
      response.end('no such page\n');
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close()};
}
