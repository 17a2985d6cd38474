// Calls one of our services with the standard Node client: health, reflection, and
// how an error looks to it. Usage: node services.mjs SOCKET
import assert from 'node:assert/strict'
import grpc from '@grpc/grpc-js'
import loader from '@grpc/proto-loader'
import reflection from 'grpc-js-reflection-client'

const { GrpcReflection } = reflection

const target = 'unix:' + process.argv[2]
const proto = new URL('../../proto/', import.meta.url).pathname
const load = (file) => grpc.loadPackageDefinition(
  loader.loadSync(file, { includeDirs: [proto], keepCase: true, enums: String }))
const call = (client, method, request) => new Promise((resolve, reject) => client[method](
  request, { deadline: Date.now() + 5000 },
  (error, answer) => error ? reject(error) : resolve(answer)))

const { Health } = load('grpc/health/v1/health.proto').grpc.health.v1
const health = new Health(target, grpc.credentials.createInsecure())
assert.equal((await call(health, 'Check', { service: '' })).status, 'SERVING')
const named = await call(health, 'Check', { service: 'gatehouse.invitations.v1.InvitationService' })
assert.equal(named.status, 'SERVING')

const mirror = new GrpcReflection(target, grpc.credentials.createInsecure(), undefined, 'v1alpha')
const listed = await mirror.listServices()
assert.ok(listed.includes('gatehouse.invitations.v1.InvitationService'), String(listed))

// Without a passport every method is closed, and the reason is a google.rpc.ErrorInfo.
const { InvitationService } = load('gatehouse/invitations/v1/invitations.proto')
  .gatehouse.invitations.v1
const invitations = new InvitationService(target, grpc.credentials.createInsecure())
const refused = await call(invitations, 'ListInvitations', {}).catch((error) => error)
assert.equal(refused.code, grpc.status.UNAUTHENTICATED)
const wire = refused.metadata.get('grpc-status-details-bin')[0]
assert.ok(wire.includes('type.googleapis.com/google.rpc.ErrorInfo'))
assert.ok(wire.includes('PASSPORT_INVALID') && wire.includes('gatehouse'))
for (const client of [health, invitations]) client.close()
console.log('services: ok')
process.exit(0)
