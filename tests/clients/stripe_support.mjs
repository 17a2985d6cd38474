// What the scenarios of stripe.mjs stand on: tenants of their own, events as Stripe
// writes them, signed by Stripe's own library, and posts of raw bodies.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import Stripe from 'stripe'

export const [address, admin, secret, fake] = process.argv.slice(2)
const [host, port] = fake.split(':')
// The library as a client of the Stripe that stands beside us.
export const stripe = new Stripe('sk_test_flow',
  { host, port, protocol: 'http', maxNetworkRetries: 0, telemetry: false })

export const now = () => Math.floor(Date.now() / 1000)
export const newId = (prefix) => `${prefix}_${randomUUID().replaceAll('-', '')}`

// One request; the answer's status and its JSON.
export const ask = async (method, path, { token, body, headers } = {}) => {
  const answer = await fetch('http://' + address + path, {
    method,
    headers: {
      ...(token ? { authorization: 'Token ' + token } : {}),
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    body: body && JSON.stringify(body),
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, json: text ? JSON.parse(text) : null }
}

const must = (answer, status) => {
  assert.equal(answer.status, status, JSON.stringify(answer.json))
  return answer.json
}

// A new tenant with one user.
let tenants = 0
export const newTenant = async () => {
  const username = `payer${++tenants}`
  const password = 'plum-anvil-orbit-73-quartz'
  const invited = must(await ask('POST', '/api/admin/passkeys/',
    { token: admin, body: { expires_days: 7, notes: 'test' } }), 201)
  must(await ask('POST', '/api/auth/signup/', { body: {
    username, password, email: username + '@example.com', passkey: invited.passkey } }), 201)
  const { token } = must(await ask('POST', '/api/auth/token/', { body: { username, password } }),
    200)
  const me = must(await ask('GET', '/api/me/', { token }), 200)
  const opened = must(await ask('POST', '/api/billing/topup/session/',
    { token, body: { amount_dollars: 50 } }), 200)
  return {
    id: String(me.profile.tenant),
    token,
    // The tenant's customer at Stripe, made by the first session.
    customer: (await stripe.checkout.sessions.retrieve(opened.session_id)).customer,
    ask: (method, path, options) => ask(method, path, { token, ...options }),
    balance: async () => must(await ask('GET', '/api/billing/reserve/balance/', { token }), 200)
      .balance_cents,
    profile: async () => must(await ask('GET', '/api/billing/profile/', { token }), 200),
    ledger: async () => must(await ask('GET', '/api/billing/reserve/ledger/', { token }), 200),
  }
}

// The text of an event.
export const event = (type, object, more = {}) => JSON.stringify({
  id: newId('evt'),
  object: 'event',
  api_version: '2024-06-20',
  created: now(),
  data: { object },
  livemode: false,
  pending_webhooks: 1,
  request: { id: null, idempotency_key: null },
  type,
  ...more,
})

const topupOf = (tenant, cents) =>
  ({ tenant_id: tenant.id, purpose: 'reserve_topup', amount_cents: String(cents) })

export const session = (tenant, cents, more = {}) => ({
  id: newId('cs_test'),
  object: 'checkout.session',
  amount_subtotal: cents,
  amount_total: cents,
  currency: 'usd',
  customer: tenant.customer,
  metadata: topupOf(tenant, cents),
  mode: 'payment',
  payment_intent: newId('pi'),
  payment_status: 'paid',
  status: 'complete',
  ...more,
})

export const intentOf = (paid, more = {}) => ({
  id: paid.payment_intent,
  object: 'payment_intent',
  amount: paid.amount_total,
  amount_received: paid.amount_total,
  currency: paid.currency,
  customer: paid.customer,
  metadata: paid.metadata,
  status: 'succeeded',
  ...more,
})

// The charge of a payment of which `refunded` cents were given back so far.
export const chargeOf = (paid, refunded) => ({
  id: 'ch_' + paid.payment_intent,
  object: 'charge',
  amount: paid.amount_total,
  amount_captured: paid.amount_total,
  amount_refunded: refunded,
  currency: paid.currency,
  customer: paid.customer,
  metadata: paid.metadata,
  paid: true,
  payment_intent: paid.payment_intent,
  refunded: refunded === paid.amount_total,
  status: 'succeeded',
})

export const disputeOf = (paid, amount, more = {}) => ({
  id: 'dp_' + paid.payment_intent,
  object: 'dispute',
  amount,
  charge: 'ch_' + paid.payment_intent,
  currency: paid.currency,
  metadata: {},
  payment_intent: paid.payment_intent,
  reason: 'fraudulent',
  status: 'needs_response',
  ...more,
})

export const sign = (payload, more = {}) =>
  stripe.webhooks.generateTestHeaderString({ payload, secret, ...more })

// Posts a body as it is; `signature` null sends none.
export const post = async (payload, signature = sign(payload)) => {
  const answer = await fetch('http://' + address + '/api/billing/webhook/', {
    method: 'POST',
    headers: {
      'content-type': 'application/json; charset=utf-8',
      ...(signature === null ? {} : { 'stripe-signature': signature }),
    },
    body: payload,
  })
  const text = await answer.text()
  let json = null
  try { json = JSON.parse(text) } catch { /* Some refusals may have no body. */ }
  return { status: answer.status, json }
}

// Posts an event that must be taken; its result.
export const deliver = async (payload) => must(await post(payload), 200)

// Runs scenarios, a few at a time; throws with all that failed.
export const runAll = async (scenarios, atOnce = 4) => {
  const waiting = Object.entries(scenarios)
  const failures = []
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let next; (next = waiting.shift());) {
      try {
        await next[1]()
      } catch (error) {
        failures.push(`${next[0]}: ${error.stack}`)
      }
    }
  }))
  if (failures.length > 0) throw new Error(failures.join('\n\n'))
}
