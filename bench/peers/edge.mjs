// The peer's edge: fastify in front of the gRPC service.
import Fastify from 'fastify'
import grpc from '@grpc/grpc-js'
import loader from '@grpc/proto-loader'
import { authenticate, protect } from './auth.mjs'
import { answer } from './users.mjs'

const definition = loader.loadSync(new URL('./me.proto', import.meta.url).pathname, { keepCase: true })
const { peer } = grpc.loadPackageDefinition(definition)
const users = new peer.Users(`127.0.0.1:${process.env.SERVICE_PORT}`, grpc.credentials.createInsecure())
const app = Fastify()
await protect(app)
app.get('/api/v1/auth/me', { onRequest: authenticate }, (request, reply) => {
  users.GetUser({ id: request.user.sub }, { deadline: Date.now() + 5000 }, (error, user) => {
    if (error) reply.code(503).send({ error: 'UNAVAILABLE' })
    else reply.send(answer(user))
  })
})
app.listen({ host: '127.0.0.1', port: Number(process.env.EDGE_PORT) })
