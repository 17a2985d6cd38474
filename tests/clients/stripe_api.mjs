// Stripe's own library as a client of the Stripe that stands beside us: what our service
// relies on must look like the real one to a client that knows only the real one.
import assert from 'node:assert/strict'
import Stripe from 'stripe'
import { fake, newId, stripe } from './stripe_support.mjs'

const [host, port] = fake.split(':')

const topup = (customer, cents) => ({
  customer,
  mode: 'payment',
  payment_method_types: ['card'],
  line_items: [{ quantity: 1, price_data: { currency: 'usd', unit_amount: cents,
    product_data: { name: 'Reserve top-up' } } }],
  metadata: { tenant_id: '1', purpose: 'merchandise' },
  success_url: 'http://127.0.0.1/done',
  cancel_url: 'http://127.0.0.1/left',
})

const newCustomer = () => stripe.customers.create({ name: 'Ada', metadata: { tenant_id: '1' } })

// What a call that must fail failed with.
const failure = async (promise) => {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('it was accepted')
}

export const apiScenarios = {
  'customers': async () => {
    const customer = await newCustomer()
    assert.match(customer.id, /^cus_/)
    const found = await stripe.customers.retrieve(customer.id)
    assert.equal(found.metadata.tenant_id, '1')
    const error = await failure(stripe.customers.retrieve('cus_nobody'))
    assert.ok(error instanceof Stripe.errors.StripeInvalidRequestError)
    assert.equal(error.statusCode, 404)
    assert.equal(error.code, 'resource_missing')
  },

  'a key makes one session, and belongs to its request': async () => {
    const { id: customer } = await newCustomer()
    const idempotencyKey = newId('key')
    const open = (cents) =>
      stripe.checkout.sessions.create(topup(customer, cents), { idempotencyKey })
    const first = await open(5000)
    assert.match(first.id, /^cs_/)
    assert.equal(first.amount_total, 5000)
    assert.equal(first.payment_status, 'unpaid')
    assert.equal(first.status, 'open')
    assert.ok(first.url.startsWith('http://' + fake))
    assert.equal((await open(5000)).id, first.id)
    const error = await failure(open(6000))
    assert.ok(error instanceof Stripe.errors.StripeIdempotencyError, error.stack)
    const other = await stripe.checkout.sessions.create(topup(customer, 5000))
    assert.notEqual(other.id, first.id)
  },

  'sessions are found and expire': async () => {
    const { id: customer } = await newCustomer()
    const opened = await stripe.checkout.sessions.create(topup(customer, 900))
    const found = await stripe.checkout.sessions.retrieve(opened.id)
    assert.equal(found.customer, customer)
    assert.deepEqual(found.metadata, { tenant_id: '1', purpose: 'merchandise' })
    assert.equal((await stripe.checkout.sessions.expire(opened.id)).status, 'expired')
    assert.equal((await stripe.checkout.sessions.retrieve(opened.id)).status, 'expired')
  },

  'subscriptions': async () => {
    const { id: customer } = await newCustomer()
    const made = await stripe.subscriptions.create({ customer, items: [{ quantity: 1,
      price_data: { currency: 'usd', product: 'prod_plan', unit_amount: 1900,
        recurring: { interval: 'month' } } }], metadata: { plan_tier: 'starter' } })
    assert.match(made.id, /^sub_/)
    assert.equal(made.status, 'active')
    assert.equal(made.items.data[0].price.unit_amount, 1900)
    assert.equal(made.items.data[0].price.recurring.interval, 'month')
    const changed = await stripe.subscriptions.update(made.id,
      { metadata: { plan_tier: 'professional' } })
    assert.equal(changed.metadata.plan_tier, 'professional')
    assert.equal((await stripe.subscriptions.cancel(made.id)).status, 'canceled')
  },

  'a portal': async () => {
    const { id: customer } = await newCustomer()
    const portal = await stripe.billingPortal.sessions.create(
      { customer, return_url: 'http://127.0.0.1/back' })
    assert.ok(portal.url.startsWith('http://' + fake))
  },

  'charges without the customer': async () => {
    const { id: customer } = await newCustomer()
    const charge = (payment_method, idempotencyKey) => stripe.paymentIntents.create({
      amount: 5000, currency: 'usd', customer, payment_method, confirm: true, off_session: true,
      metadata: { tenant_id: '1', purpose: 'merchandise' } },
    idempotencyKey ? { idempotencyKey } : {})
    const declined = await failure(charge('pm_declined'))
    assert.ok(declined instanceof Stripe.errors.StripeCardError, declined.stack)
    assert.equal(declined.statusCode, 402)
    assert.equal(declined.code, 'card_declined')
    const key = newId('key')
    const paid = await charge('pm_card_visa', key)
    assert.equal(paid.status, 'succeeded')
    assert.equal(paid.amount_received, 5000)
    assert.equal((await charge('pm_card_visa', key)).id, paid.id)
  },

  'a wrong key': async () => {
    const stranger = new Stripe('', { host, port, protocol: 'http', maxNetworkRetries: 0,
      telemetry: false, authenticator: async () => {} })
    const error = await failure(stranger.customers.create({}))
    assert.ok(error instanceof Stripe.errors.StripeAuthenticationError, error.stack)
  },
}
