// The peer in one process: fastify and pg, no inner hop.
import Fastify from 'fastify'
import { authenticate } from './auth.mjs'
import { answer, findUser } from './users.mjs'

const app = Fastify()
app.get('/api/me/', { preHandler: authenticate },
  async (request) => answer(await findUser(request.username)))
app.listen({ host: '127.0.0.1', port: Number(process.env.SINGLE_PORT) })
