// The peers' token check: @fastify/jwt with our public key, EdDSA only, and its cache
// of verified tokens, as our edge has one.
import { createPublicKey } from 'node:crypto'
import jwt from '@fastify/jwt'

export async function protect (app) {
  const key = createPublicKey({ key: JSON.parse(process.env.BENCH_JWK), format: 'jwk' })
  await app.register(jwt, {
    secret: { public: key.export({ type: 'spki', format: 'pem' }) },
    verify: { algorithms: ['EdDSA'], allowedIss: 'gatehouse', allowedAud: 'gatehouse', cache: true }
  })
}

export async function authenticate (request, reply) {
  try {
    await request.jwtVerify()
  } catch {
    return reply.code(401).send({ error: 'UNAUTHORIZED' })
  }
}
