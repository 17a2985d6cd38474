// A core-manager for the OpenAPI test: answers each documented route with what the real
// one would, from memory. Prints "PID PORT" when it listens.
import { createHash, randomUUID } from 'node:crypto'
import http from 'node:http'

const now = () => new Date().toISOString()
const count = (name, items) => ({ [name]: items, count: items.length })

const persona = (id, body, isTemplate) => ({
  id,
  name: body.name ?? body.instance_name ?? 'Researcher',
  description: body.description ?? null,
  category: body.category ?? 'research',
  config: body.config ?? {},
  is_template: isTemplate,
  is_active: true,
  created_at: now(),
  updated_at: now()
})
const client = (id) => ({
  client_id: id, display_name: 'Acme', settings: null, created_at: now(), is_active: true
})
const usage = (id) => ({
  client_id: id, total_users: 3, active_users: 2, total_instances: 1, active_instances: 1,
  total_workflows: 0, workflows_last_30_days: 0, total_memory_entries: 0, total_fuel_consumed: 0
})
const workflow = (id) => ({
  correlation_id: id, client_id: 'acme', status: 'running', current_step: 'plan',
  created_at: now(), updated_at: now(), error: null
})
const agent = (id, body) => ({
  id, type: body.type ?? 'scout', display_name: body.display_name ?? 'Scout',
  description: null, category: 'research', default_config: {}, is_active: true
})

// Method and path below /api/v1 to (id, body) => [status, answer].
const routes = {
  'GET /templates': () => [200, count('templates', [persona(randomUUID(), {}, true)])],
  'POST /templates': (_, body) => [201, persona(randomUUID(), body, true)],
  'GET /templates/*': (id) => [200, persona(id, {}, true)],
  'PUT /templates/*': (id, body) => [200, persona(id, body, true)],
  'DELETE /templates/*': () => [204],
  'POST /templates/*/clone': (_, body) => [201, persona(randomUUID(), body, true)],
  'POST /templates/*/validate': () => [200, { valid: true, errors: [] }],
  'GET /personas/instances': () => [200, count('instances', [persona(randomUUID(), {}, false)])],
  'POST /personas/instances': (_, body) => [201, persona(randomUUID(), body, false)],
  'GET /personas/instances/*': (id) => [200, persona(id, {}, false)],
  'PUT /personas/instances/*': (id, body) => [200, persona(id, body, false)],
  'PATCH /personas/instances/*': (id, body) => [200, persona(id, body, false)],
  'DELETE /personas/instances/*': () => [204],
  'POST /personas/instances/*/execute': () =>
    [202, { execution_id: randomUUID(), status: 'running' }],
  'GET /personas/instances/*/history': () => [200, count('executions', [])],
  'POST /personas/instances/*/stop': () => [200, { status: 'stopped' }],
  'GET /personas/instances/*/logs': () => [200, count('logs', [])],
  'GET /admin/clients': () => [200, count('clients', [client('acme')])],
  'POST /admin/clients': (_, body) =>
    [201, { message: 'Client created successfully', client_id: body.client_id }],
  'GET /admin/clients/*': (id) => [200, client(id)],
  'PUT /admin/clients/*': (id) => [200, client(id)],
  'DELETE /admin/clients/*': () => [204],
  'GET /admin/clients/*/stats': (id) => [200, usage(id)],
  'GET /admin/system/health': () => [200, {
    status: 'healthy', timestamp: now(), services: {}, databases: {},
    kafka: { status: 'healthy', broker_count: 1, topic_count: 4 }
  }],
  'GET /admin/system/metrics': () => [200, { requests: 1 }],
  'GET /admin/system/config': () => [200, { log_level: 'info' }],
  'PUT /admin/system/config': (_, body) => [200, body],
  'POST /admin/system/maintenance': (_, body) => [200, { maintenance: body.enabled }],
  'GET /admin/system/logs': () => [200, count('logs', [])],
  'GET /admin/workflows': () => [200, count('workflows', [workflow(randomUUID())])],
  'POST /admin/workflows': () => [201, workflow(randomUUID())],
  'GET /admin/workflows/*': (id) => [200, workflow(id)],
  'PUT /admin/workflows/*': (id) => [200, workflow(id)],
  'DELETE /admin/workflows/*': () => [204],
  'GET /admin/workflows/*/runs': () => [200, count('runs', [])],
  'GET /admin/agent-definitions': () => [200, count('definitions', [agent('1', {})])],
  'POST /admin/agent-definitions': (_, body) => [201, agent('2', body)],
  'GET /admin/agent-definitions/*': (id) => [200, agent(id, {})],
  'PUT /admin/agent-definitions/*': (id) => [200, { message: 'Updated', type: id }],
  'DELETE /admin/agent-definitions/*': () => [204]
}

function find (method, url) {
  const path = new URL(url, 'http://core-manager').pathname.replace(/\/$/, '')
  for (const [route, answer] of Object.entries(routes)) {
    const [wanted, template] = route.split(' ')
    const pattern = new RegExp(`^/api/v1${template.replace('*', '([^/]+)')}$`)
    const found = path.match(pattern)
    if (method === wanted && found) return (body) => answer(found[1], body)
  }
  return () => [404, { error: 'Not found' }]
}

const server = http.createServer((request, response) => {
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    const text = Buffer.concat(parts).toString()
    const [status, body] = find(request.method, request.url)(text === '' ? {} : JSON.parse(text))
    if (body === undefined) return response.writeHead(status).end()
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  })
})

// A handshake, and nothing after it.
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1')
    .update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11')
    .digest('base64')
  socket.on('error', () => {})
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n' +
    `Connection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
})

server.listen(0, '127.0.0.1', () => console.log(`${process.pid} ${server.address().port}`))
