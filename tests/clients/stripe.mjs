// Webhooks signed by Stripe's own library, in every order, number and shape; after each
// scenario the tenant's balance must be exact. Then the same library as a client of the
// Stripe that stands beside us. Usage: node stripe.mjs HOST:PORT ADMIN_TOKEN SECRET FAKE
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { apiScenarios } from './stripe_api.mjs'
import { subscriptionScenarios } from './stripe_subscriptions.mjs'
import {
  ask, chargeOf, deliver, disputeOf, event, intentOf, newId, newTenant, now, post, runAll, secret,
  session, sign,
} from './stripe_support.mjs'

const completed = (paid, more) => event('checkout.session.completed', paid, more)
const succeeded = (paid, more) => event('payment_intent.succeeded', intentOf(paid), more)
const refunded = (paid, cents) => event('charge.refunded', chargeOf(paid, cents))

// A new tenant, `scenario`, and then exactly `cents`.
const endsWith = (cents, scenario) => async () => {
  const tenant = await newTenant()
  await scenario(tenant)
  assert.equal(await tenant.balance(), cents)
}

const payments = {
  'a paid session is credited': endsWith(5000, async (tenant) => {
    const result = await deliver(completed(session(tenant, 5000)))
    assert.equal(result.status, 'processed')
    assert.equal(String(result.tenant_id), tenant.id)
    assert.equal(result.amount_cents, 5000)
    const [entry] = await tenant.ledger()
    assert.equal(entry.id, result.ledger_entry_id)
    assert.equal(entry.entry_type, 'topup')
    assert.equal(entry.amount_cents, 5000)
  }),

  'one event a hundred times in parallel': endsWith(5000, async (tenant) => {
    const body = completed(session(tenant, 5000))
    const signature = sign(body)
    const answers = await Promise.all(Array.from({ length: 100 }, () => post(body, signature)))
    assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200])
    const statuses = answers.map((answer) => answer.json.status)
    assert.equal(statuses.filter((status) => status === 'processed').length, 1)
    assert.equal(statuses.filter((status) => status === 'skipped').length, 99)
    const again = await deliver(body)
    assert.equal(again.status, 'skipped')
    assert.equal(again.reason, 'already_processed')
    assert.equal(again.event_id, JSON.parse(body).id)
    assert.equal((await tenant.ledger()).length, 1)
  }),

  'one payment told by fifty events in parallel': endsWith(700, async (tenant) => {
    const paid = session(tenant, 700)
    await Promise.all(Array.from({ length: 50 },
      (_, number) => deliver(number % 2 ? completed(paid) : succeeded(paid))))
    assert.equal((await tenant.ledger()).length, 1)
  }),

  'two payments of one tenant in parallel': endsWith(1200, async (tenant) => {
    await Promise.all([500, 700].map((cents) => deliver(completed(session(tenant, cents)))))
  }),

  'session, then payment intent': endsWith(5000, async (tenant) => {
    const paid = session(tenant, 5000)
    assert.equal((await deliver(completed(paid))).status, 'processed')
    assert.notEqual((await deliver(succeeded(paid))).status, 'processed')
  }),

  'payment intent, then session': endsWith(5000, async (tenant) => {
    const paid = session(tenant, 5000)
    await deliver(succeeded(paid))
    await deliver(completed(paid))
    assert.equal((await tenant.ledger()).length, 1)
  }),

  'unpaid, then paid later': endsWith(5000, async (tenant) => {
    const paid = session(tenant, 5000)
    const early = await deliver(completed({ ...paid, payment_status: 'unpaid' }))
    assert.notEqual(early.status, 'processed')
    assert.equal(early.reason, 'not_paid')
    assert.equal(await tenant.balance(), 0)
    const later = await deliver(event('checkout.session.async_payment_succeeded', paid))
    assert.equal(later.status, 'processed')
  }),

  'unpaid, then failed': endsWith(0, async (tenant) => {
    const unpaid = session(tenant, 5000, { payment_status: 'unpaid' })
    await deliver(completed(unpaid))
    await deliver(event('checkout.session.async_payment_failed', unpaid))
  }),

  'paid later is told before unpaid': endsWith(5000, async (tenant) => {
    const paid = session(tenant, 5000)
    await deliver(event('checkout.session.async_payment_succeeded', paid))
    await deliver(completed({ ...paid, payment_status: 'unpaid' }))
  }),

  'what was paid counts, not what was announced': endsWith(4321, async (tenant) => {
    const paid = session(tenant, 4321)
    const metadata = { ...paid.metadata, amount_cents: '5000' }
    const result = await deliver(completed({ ...paid, metadata }))
    assert.equal(result.amount_cents, 4321)
  }),

  'another purpose is not ours': endsWith(0, async (tenant) => {
    const paid = session(tenant, 5000)
    const metadata = { ...paid.metadata, purpose: 'merchandise' }
    const other = { ...paid, metadata }
    for (const body of [completed(other), succeeded(other)]) {
      const result = await deliver(body)
      assert.equal(result.status, 'ignored')
      assert.equal(result.reason, 'not_reserve_topup')
    }
    assert.equal((await deliver(completed({ ...session(tenant, 5000), metadata: {} }))).status,
      'ignored')
  }),

  'the customer of another installation is not ours': endsWith(300, async (tenant) => {
    const other = session(tenant, 5000, { customer: newId('cus') })
    for (const body of [completed(other), succeeded(other)]) {
      const result = await deliver(body)
      assert.equal(result.status, 'ignored')
      assert.equal(result.reason, 'customer_not_found')
    }
    await deliver(completed(session(tenant, 300, { customer: null })))
  }),

  'another currency is not credited': endsWith(0, async (tenant) => {
    const result = await deliver(completed(session(tenant, 5000, { currency: 'eur' })))
    assert.equal(result.status, 'ignored')
    assert.equal(result.reason, 'currency_not_supported')
    assert.notEqual((await deliver(succeeded(session(tenant, 5000, { currency: 'eur' })))).status,
      'processed')
  }),
}

const takenBack = {
  'refunds are told cumulatively and once each': endsWith(0, async (tenant) => {
    const paid = session(tenant, 5000)
    await deliver(completed(paid))
    const first = refunded(paid, 1500)
    assert.equal((await deliver(first)).amount_cents, -1500)
    assert.equal((await deliver(first)).status, 'skipped')
    await deliver(refunded(paid, 1500))
    assert.equal(await tenant.balance(), 3500)
    await deliver(refunded(paid, 5000))
    await deliver(refunded(paid, 5000))
    await deliver(refunded(paid, 1500))
    const types = (await tenant.ledger()).map((entry) => entry.entry_type)
    assert.deepEqual(types, ['refund', 'refund', 'topup'])
  }),

  'what comes before its payment is taken off it': endsWith(2500, async (tenant) => {
    const paid = session(tenant, 5000)
    const body = refunded(paid, 2000)
    const early = await deliver(body)
    assert.equal(early.status, 'deferred')
    assert.equal(early.reason, 'payment_not_credited')
    const disputed = await deliver(event('charge.dispute.funds_withdrawn', disputeOf(paid, 500)))
    assert.equal(disputed.status, 'deferred')
    assert.equal(await tenant.balance(), 0)
    assert.equal((await deliver(completed(paid))).amount_cents, 5000)
    assert.equal(await tenant.balance(), 2500)
    assert.equal((await deliver(body)).status, 'skipped')
    assert.equal((await deliver(refunded(paid, 2000))).amount_cents, undefined)
  }),

  'a refund that fails is given back once': endsWith(5000, async (tenant) => {
    const paid = session(tenant, 5000)
    await deliver(completed(paid))
    await deliver(refunded(paid, 2000))
    const refund = { id: newId('re'), object: 'refund', amount: 2000, currency: 'usd',
      charge: 'ch_' + paid.payment_intent, payment_intent: paid.payment_intent, metadata: {},
      status: 'failed' }
    assert.equal((await deliver(event('refund.failed', refund))).amount_cents, 2000)
    assert.equal((await deliver(event('charge.refund.updated', refund))).amount_cents, undefined)
  }),

  'refunds beside each other': endsWith(1000, async (tenant) => {
    const paid = session(tenant, 5000)
    await deliver(completed(paid))
    await Promise.all([1000, 2000, 3000, 4000].map((cents) => deliver(refunded(paid, cents))))
  }),

  'a refund of what was spent is owed': endsWith(-4000, async (tenant) => {
    const paid = session(tenant, 5000)
    await deliver(completed(paid))
    await ask('POST', '/api/billing/admin/reserve/adjust/',
      { token: process.argv[3], body: { tenant_id: Number(tenant.id), amount_cents: -4000,
        reason: 'spent' } })
    await deliver(refunded(paid, 5000))
  }),

  'a dispute takes the money, a won one gives it back': endsWith(5000, async (tenant) => {
    const paid = session(tenant, 5000)
    await deliver(completed(paid))
    const withdrawn = () => event('charge.dispute.funds_withdrawn', disputeOf(paid, 5000))
    const reinstated = () => event('charge.dispute.funds_reinstated',
      disputeOf(paid, 5000, { status: 'won' }))
    await deliver(event('charge.dispute.created', disputeOf(paid, 5000)))
    await deliver(withdrawn())
    await deliver(withdrawn())
    assert.equal(await tenant.balance(), 0)
    await deliver(reinstated())
    await deliver(reinstated())
    await deliver(event('charge.dispute.closed', disputeOf(paid, 5000, { status: 'won' })))
  }),

  'a lost dispute keeps what it took': endsWith(3000, async (tenant) => {
    const paid = session(tenant, 5000)
    await deliver(completed(paid))
    await deliver(event('charge.dispute.funds_withdrawn', disputeOf(paid, 2000)))
    await deliver(event('charge.dispute.closed', disputeOf(paid, 2000, { status: 'lost' })))
  }),
}

const refused = async (status, payload, signature) => {
  const answer = await post(payload, signature)
  assert.equal(answer.status, status, JSON.stringify(answer.json))
  return answer.json
}

// A post whose time is at the limit, asked anew when the second went by meanwhile.
const promptly = async (payload, makeTime, expected) => {
  for (;;) {
    const begin = Date.now()
    const answer = await post(payload, sign(payload, { timestamp: makeTime() }))
    if (Date.now() - begin > 900) continue
    assert.equal(answer.status, expected, JSON.stringify(answer.json))
    return
  }
}

const nextSecond = () => Math.ceil(Date.now() / 1000)

const signatures = {
  'a bent body is refused': endsWith(0, async (tenant) => {
    const body = completed(session(tenant, 5000))
    const error = await refused(400, body.replace('"amount_total":5000', '"amount_total":9000'),
      sign(body))
    assert.equal(error.error, 'SIGNATURE_INVALID')
    await refused(400, body + ' ', sign(body))
    await refused(400, JSON.stringify(JSON.parse(body), null, 2), sign(body))
    const pretty = JSON.stringify(JSON.parse(body), null, 2)
    await refused(400, JSON.stringify(JSON.parse(pretty)), sign(pretty))
  }),

  'five minutes each way, and not a second more': endsWith(600, async (tenant) => {
    const one = () => completed(session(tenant, 300))
    await promptly(one(), () => now() - 301, 400)
    await promptly(one(), () => nextSecond() + 301, 400)
    await promptly(one(), () => nextSecond() - 299, 200)
    await promptly(one(), () => nextSecond() + 299, 200)
  }),

  'one good v1 among several is enough': endsWith(1000, async (tenant) => {
    const body = completed(session(tenant, 1000))
    const [time, good] = sign(body).split(',')
    const bad = sign(body, { secret: 'whsec_old' }).split(',')[1]
    await refused(400, body, [time, bad, bad].join(','))
    await refused(200, body, [time, bad, good].join(','))
  }),

  'a wrong secret, another scheme, no signature': endsWith(0, async (tenant) => {
    const body = completed(session(tenant, 1000))
    await refused(400, body, sign(body, { secret: 'whsec_wrong' }))
    await refused(400, body, sign(body, { secret: '' + secret + ' ' }))
    await refused(400, body, sign(body, { scheme: 'v0' }))
    const good = sign(body)
    for (const header of ['', 'nonsense', good.split(',')[0], good.split(',')[1],
      `t=,${good.split(',')[1]}`, `t=abc,${good.split(',')[1]}`, good.slice(0, -1), null,
      good.replace('v1=', 'v1=00'), `t=99999999999999999999,${good.split(',')[1]}`]) {
      await refused(400, body, header)
    }
  }),

  'bytes that are no UTF-8': endsWith(0, async (tenant) => {
    const text = completed(session(tenant, 1000), { note: '\u0001' })
    const bytes = Buffer.from(text.replace('\\u0001', '?'), 'utf8')
    bytes[bytes.lastIndexOf('?')] = 0xff
    const time = now()
    const v1 = createHmac('sha256', secret).update(`${time}.`).update(bytes).digest('hex')
    const error = await refused(400, bytes, `t=${time},v1=${v1}`)
    assert.notEqual(error.error, 'SIGNATURE_INVALID', 'it was signed as it is')
  }),

  'what is no event': endsWith(0, async (tenant) => {
    const whole = JSON.parse(completed(session(tenant, 1000)))
    for (const gone of ['id', 'type', 'data']) {
      const { [gone]: _, ...rest } = whole
      assert.equal((await refused(400, JSON.stringify(rest))).error, 'EVENT_MALFORMED', gone)
    }
    for (const body of ['{"type":"test"}', '[]', 'null', '""', '{', '{"id":7,"type":"x"}', '{}']) {
      await refused(400, body)
    }
    await refused(400, '{"type":"test"}', null)
    await refused(413, completed(session(tenant, 1000), { note: 'x'.repeat(1 << 20) }))
  }),

  'types that nobody handles are taken and ignored': endsWith(0, async (tenant) => {
    for (const type of ['customer.created', 'something.new']) {
      const result = await deliver(event(type, { id: newId('x'), object: 'x',
        metadata: session(tenant, 9900).metadata }))
      assert.equal(result.status, 'ignored')
      assert.equal(result.reason, 'unhandled_event_type')
    }
  }),
}

await runAll({ ...payments, ...takenBack, ...signatures, ...subscriptionScenarios,
  ...apiScenarios })
console.log('stripe: ok')
