// Lints the document that the edge serves, then calls every operation of it and
// validates requests and answers. Usage: node call.mjs HOST:PORT ADMIN_PASSWORD AUTH_LOG
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { Contract } from './contract.mjs'
import { lint } from './lint.mjs'

const [edge, adminPassword, authLog] = process.argv.slice(2)
const kPassword = 'plum-anvil-orbit-73-quartz' // As in the document's examples.
const text = await (await fetch(`http://${edge}/openapi.json`)).text()
const contract = new Contract(JSON.parse(text), edge)
const call = (id, options) => contract.call(id, options)

// Calls again until `done` is content with the answer.
async function until (id, options, done) {
  for (const end = Date.now() + 10000; ;) {
    const answer = await call(id, options)
    if (done(answer)) return answer
    if (Date.now() > end) throw new Error(`${id} never said what was waited for`)
    await pause(20)
  }
}

const admin = (await call('issueToken', {
  body: { username: 'admin', password: adminPassword }
})).token

async function signUp (username) {
  const { passkey } = await call('createPasskey', { as: admin })
  const email = `${username}@example.com`
  const { user } = await call('signUp', { body: { username, email, password: kPassword, passkey } })
  const { token } = await call('issueToken', { body: { username, password: kPassword } })
  return { ...user, token, tenant: user.profile.tenant }
}

const ada = await signUp('ada') // Whom the examples speak of.
const victim = await signUp('victim')
const logIn = () => call('v1LogIn')

async function passwords () {
  const bob = await signUp('bob')
  await call('changePassword', {
    as: bob.token, body: { old_password: kPassword, new_password: 'slate-meadow-41-comet-harbor' }
  })
  await call('requestPasswordReset', { body: { email: 'victim@example.com' } })
  const mailed = /"to":"victim@example\.com"[^\n]*(ghp_[\w-]{43})/
  for (const end = Date.now() + 10000; Date.now() < end && !mailed.test(readFileSync(authLog));) {
    await pause(20)
  }
  const [, token] = mailed.exec(readFileSync(authLog)) ?? []
  await call('confirmPasswordReset', { body: { token, new_password: 'juniper-anchor-64-violet' } })
  await call('resetUserPassword', { as: admin, values: { id: victim.uuid } })
}

async function sessions () {
  await call('logIn')
  const { sessions } = await call('listOwnSessions', { as: ada.token })
  const [one, other] = sessions.filter(({ kind }) => kind === 'session').concat(
    await oneMoreSession())
  await call('endOwnSession', { as: ada.token, values: { id: one.id } })
  await call('listUserSessions', { as: admin, values: { id: ada.uuid } })
  await call('endUserSession', { as: admin, values: { id: ada.uuid, sid: other.id } })
}

async function oneMoreSession () {
  const known = await call('listOwnSessions', { as: ada.token })
  await call('logIn')
  const { sessions } = await call('listOwnSessions', { as: ada.token })
  return sessions.filter(({ id }) => !known.sessions.some((old) => old.id === id))
}

async function tokens () {
  await call('v1Validate', { body: { token: ada.token } })
  const { refresh_token: first } = await logIn()
  const { refresh_token: second } = await call('v1Refresh', { body: { refresh_token: first } })
  await call('platformRefresh', { body: { refresh_token: second } })
  await call('logOut', { as: (await logIn()).access_token })
  await call('v1LogOut', { as: (await logIn()).access_token })
  await call('platformLogOut', { as: (await call('platformLogIn')).access_token })
  await call('keyLogOut', { as: (await call('keyLogIn')).token })
  const { id } = await call('createApiToken', { as: ada.token })
  await call('revokeApiToken', { as: ada.token, values: { id } })
  const { id: tid } = await call('createApiToken', { as: ada.token })
  await call('v1RevokeUserToken', { as: admin, values: { id: String(ada.id), tid } })
  const key = await call('createKey', { as: admin })
  await call('validateKey', { body: { token: key.token, method: 'GET', path: '/v1/models' } })
  await call('revokeKey', { as: admin, values: { id: key.id } })
}

async function users () {
  for (const id of ['revokeUserTokens', 'clearUserRevocation', 'getUserStatus', 'disableUser',
    'enableUser', 'deletePlatformUser']) {
    await call(id, { as: admin, values: { username: 'victim' } })
  }
  await call('changePlatformUser', { as: ada.token, values: { username: 'ada' } })
  for (const id of ['v1GetUser', 'v1ChangeUser', 'v1ListUserTokens', 'getUser', 'changeUser',
    'putUser', 'v1DeactivateUser']) {
    await call(id, { as: admin, values: { id: id === 'v1DeactivateUser' ? victim.uuid : ada.uuid } })
  }
}

async function tenants () {
  const { id } = await call('createTenant', { as: admin })
  for (const name of ['getTenant', 'changeTenant', 'revokeTenantTokens']) {
    await call(name, { as: admin, values: { id } })
  }
  await call('setRolePermissions', { as: admin, values: { name: 'moderator' } })
  const passkey = await call('createPasskey', { as: admin })
  await call('revokePasskey', { as: admin, values: { id: passkey.id } })
}

async function jobs () {
  await call('adjustReserve', {
    as: admin,
    values: { 'Idempotency-Key': 'first' },
    body: { tenant_id: ada.tenant, amount_cents: 5000, reason: 'Credit' }
  })
  const { id } = await call('submitJob', { as: ada.token, status: 201 })
  await call('submitJob', { as: ada.token, status: 200 })
  const as = ada.token
  await until('getJob', { as, values: { id } }, ({ status }) => status === 'success')
  await call('listJobEvents', { as, values: { id } })
  await call('listLedger', { as })
  const later = await call('submitJob', {
    as,
    status: 201,
    body: { type: 'text.stats', payload: { text: 'a' }, run_at: '2099-01-01T00:00:00Z' }
  })
  await call('cancelJob', { as, values: { id: later.id } })
}

async function documents () {
  const page = await call('getDocs')
  const [, file] = /src="\/docs\/assets\/([^"]+)"/.exec(page) ?? []
  await call('getDocsAsset', { values: { file } })
  const { headers } = await fetch(`http://${edge}/openapi.json`)
  await call('getDocument', { status: 304, values: { 'If-None-Match': headers.get('etag') } })
}

async function accounts () {
  const values = { tenant: ada.tenant }
  await call('getBillingAccount', { as: admin, values })
  await call('changeBillingAccount', { as: admin, values })
  const { ledger_entry_id: id } = await call('adjustReserve', {
    as: admin,
    values: { 'Idempotency-Key': 'second' },
    body: { tenant_id: ada.tenant, amount_cents: 5, reason: 'Credit' }
  })
  await call('reverseLedgerEntry', { as: admin, values: { id, 'Idempotency-Key': 'third' } })
}

// No payment provider is configured here.
async function payments () {
  for (const id of ['createTopupSession', 'createPortalSession', 'receiveStripeEvent']) {
    await call(id, { as: ada.token, status: 503 })
  }
}

async function metrics () {
  const today = new Date().toISOString().slice(0, 10)
  const values = { start_date: '2025-01-01', end_date: today, metric: 'mrr' }
  await call('getMetricsSummary', { as: admin, values })
  await call('getMetricsTimeseries', { as: admin, values: { ...values, start_date: today } })
  await call('exportMetrics', { as: admin, values: { ...values, start_date: today } })
}

// Whatever needs no more than its example and an administrator.
async function others () {
  for (const [id, { security }] of contract.operations) {
    if (contract.called.has(id) || id === 'revokeAllTokens') continue
    await call(id, { as: security.length > 0 ? admin : undefined, values: { id: 'sample-1' } })
  }
  await call('revokeAllTokens', { as: admin })
}

// Without a credential, and without anything else that is right.
async function refusals () {
  for (const [id, { security, parameters = [] }] of contract.operations) {
    if (security.length === 0 || security.some((one) => Object.keys(one).length === 0)) continue
    const uuid = '0198c0de-0000-7000-8000-0000000000ff'
    const values = Object.fromEntries(parameters.filter((one) => one.in === 'path').map(
      ({ name, schema }) => [name, schema.type === 'integer' ? 1 : uuid]))
    await call(id, { status: 401, values, isRefused: true })
  }
}

const findings = await lint(text)
await passwords()
await sessions()
await tokens()
await jobs()
await accounts()
await payments()
await metrics()
await tenants()
await documents()
await refusals()
await users()
await others()
const missing = [...contract.operations.keys()].filter((id) => !contract.called.has(id))
const problems = [...findings, ...contract.problems, ...missing.map((id) => `never called: ${id}`)]
console.log(problems.length === 0 ? `openapi: ok` : problems.join('\n'))
process.exit(problems.length === 0 ? 0 : 1)
