// An upstream for tests of the edge: node upstream.mjs [PORT]. Prints "port N" when it
// listens. Answers with what it was asked; the query chooses other behaviour:
// ?bytes=N that many bytes, ?delay=MS later, ?status=N, ?events=N server-sent events.
// WebSockets are echoed; the first message tells the headers of the handshake.
import http from 'node:http';

function answerBytes(response, count) {
  response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': count });
  const block = Buffer.alloc(65536, 'x');
  let left = count;
  const send = () => {
    while (left > 0) {
      const part = left < block.length ? block.subarray(0, left) : block;
      left -= part.length;
      if (!response.write(part)) return response.once('drain', send);
    }
    response.end();
  };
  send();
}

function answerEvents(response, count) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  let sent = 0;
  const timer = setInterval(() => {
    response.write(`data: ${sent}\n\n`);
    if (++sent >= count) {
      clearInterval(timer);
      response.end();
    }
  }, 20);
  response.on('close', () => clearInterval(timer));
}

const server = http.createServer({ keepAliveTimeout: 5000 }, (request, response) => {
  const query = new URL(request.url, 'http://a').searchParams;
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const answer = () => {
      if (query.has('bytes')) return answerBytes(response, Number(query.get('bytes')));
      if (query.has('events')) return answerEvents(response, Number(query.get('events')));
      const body = JSON.stringify({ method: request.method, url: request.url,
        headers: request.headers, body: Buffer.concat(parts).toString() });
      response.writeHead(Number(query.get('status') ?? 200), { 'Content-Type': 'application/json' });
      return response.end(body);
    };
    setTimeout(answer, Number(query.get('delay') ?? 0));
  });
});

server.on('upgrade', async (request, socket, head) => {
  const { WebSocketServer } = await import('ws');
  server.sockets ??= new WebSocketServer({ noServer: true });
  server.sockets.handleUpgrade(request, socket, head, (websocket) => {
    websocket.send(JSON.stringify(request.headers));
    websocket.on('message', (data, isBinary) => websocket.send(data, { binary: isBinary }));
  });
});

server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', 4096, () => {
  process.stdout.write(`port ${server.address().port}\n`);
});
