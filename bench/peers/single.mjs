// The peer in one process: fastify and pg, no inner hop.
import Fastify from 'fastify'
import { authenticate, protect } from './auth.mjs'
import { answer, findUser } from './users.mjs'

const app = Fastify()
await protect(app)
app.get('/api/v1/auth/me', { onRequest: authenticate },
  async (request) => answer(await findUser(request.user.sub)))
app.listen({ host: '127.0.0.1', port: Number(process.env.SINGLE_PORT) })
