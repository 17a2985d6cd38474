// The peers' token check: digest, then a cache, as our edge does after the first call.
import { createHash } from 'node:crypto'

const digest = (token) => createHash('sha256').update(token).digest('base64')
const known = new Map([[digest(process.env.BENCH_TOKEN), process.env.BENCH_USER]])

export function authenticate (request, reply, done) {
  const header = request.headers.authorization ?? ''
  const username = header.startsWith('Token ') ? known.get(digest(header.slice(6))) : undefined
  if (!username) return reply.code(401).send({ error: 'UNAUTHORIZED' })
  request.username = username
  done()
}
