// Walks the edge with undici on few connections, pipelined: every answer must be
// that of its own request. Usage: node edge.mjs HOST:PORT
import assert from 'node:assert/strict'
import { Pool } from 'undici'

const pool = new Pool('http://' + process.argv[2], { connections: 4, pipelining: 8 })
const ask = async (number) => {
  const id = `request-${number}`
  const path = number % 3 === 0 ? '/api/healthz/' : number % 3 === 1 ? '/' : '/nothing'
  const answer = await pool.request({ path, method: 'GET', headers: { 'x-request-id': id } })
  const body = await answer.body.json()
  assert.equal(answer.headers['x-request-id'], id)
  assert.equal(answer.statusCode, number % 3 === 2 ? 404 : 200)
  if (number % 3 === 2) assert.equal(body.request_id, id)
}
await Promise.all(Array.from({ length: 3000 }, (_, number) => ask(number)))
const head = await pool.request({ path: '/api/healthz/', method: 'HEAD' })
assert.equal(head.statusCode, 200)
assert.equal((await head.body.text()).length, 0)
await pool.close()
console.log('edge: ok')
