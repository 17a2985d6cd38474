// A reverse proxy of Node's own HTTP parser and client, for comparison with the edge:
// node proxy.mjs UNIX_SOCKET UPSTREAM_PORT
import http from 'node:http';
import fs from 'node:fs';

const [socket, upstreamPort] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer',
  'upgrade', 'expect']);

const server = http.createServer({ keepAliveTimeout: 5000 }, (request, response) => {
  const headers = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    if (!hopByHop.has(request.rawHeaders[i].toLowerCase())) {
      headers.push(request.rawHeaders[i], request.rawHeaders[i + 1]);
    }
  }
  const upstream = http.request({ host: '127.0.0.1', port: upstreamPort, method: request.method,
    path: request.url, headers, agent, setHost: false }, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(response);
  });
  const fail = () => {
    if (!response.headersSent) response.writeHead(502);
    response.end();
  };
  upstream.on('error', fail);
  request.on('aborted', () => upstream.destroy());
  request.on('error', () => upstream.destroy());
  request.pipe(upstream);
});
server.on('clientError', (error, connection) => {
  if (connection.writable) connection.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
});
server.listen(socket, () => fs.writeSync(1, 'ready\n'));
