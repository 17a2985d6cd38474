// The peer's inner service: gRPC in front of PostgreSQL.
import grpc from '@grpc/grpc-js'
import loader from '@grpc/proto-loader'
import { findUser } from './users.mjs'

const definition = loader.loadSync(new URL('./me.proto', import.meta.url).pathname, { keepCase: true })
const { peer } = grpc.loadPackageDefinition(definition)
const server = new grpc.Server()
server.addService(peer.Users.service, {
  GetUser: (call, done) => findUser(call.request.id).then(u => done(null, u), done)
})
server.bindAsync(`127.0.0.1:${process.env.SERVICE_PORT}`, grpc.ServerCredentials.createInsecure(),
  (error) => { if (error) throw error })
