// Subscription events in every order: the profile shows how it ended at Stripe.
import assert from 'node:assert/strict'
import { deliver, event, newId, newTenant, now } from './stripe_support.mjs'

const permutations = (list) => list.length < 2 ? [list] : list.flatMap((one, at) =>
  permutations(list.filter((_, other) => other !== at)).map((rest) => [one, ...rest]))

// As an object of an older API version, with the period on it; or, `modern`, of a newer
// one, with the period on its items.
const subscription = (id, customer, { status, tier, cents, begin, modern }) => {
  const period = { current_period_start: begin, current_period_end: begin + 30 * 86400 }
  return {
    id,
    object: 'subscription',
    customer,
    status,
    ...(modern ? {} : period),
    discount: null,
    items: { object: 'list', data: [{
      id: newId('si'),
      object: 'subscription_item',
      quantity: 1,
      ...(modern ? period : {}),
      price: {
        id: newId('price'),
        object: 'price',
        currency: 'usd',
        metadata: {},
        recurring: { interval: 'month', interval_count: 1, usage_type: 'licensed' },
        type: 'recurring',
        unit_amount: cents,
        unit_amount_decimal: String(cents),
      },
    }] },
    metadata: { plan_tier: tier },
  }
}

const history = (id, customer, { apart, modern }) => {
  const begin = now() - 100
  const state = (status, tier, cents) =>
    subscription(id, customer, { status, tier, cents, begin, modern })
  return [
    event('customer.subscription.created', state('active', 'starter', 1900), { created: begin }),
    event('customer.subscription.updated', state('active', 'professional', 9900),
      { created: begin + apart }),
    event('customer.subscription.deleted', state('canceled', 'professional', 9900),
      { created: begin + 2 * apart }),
  ]
}

const inOrder = (pick, apart, modern, expected) => async () => {
  const tenant = await newTenant()
  const { customer } = tenant
  const id = newId('sub')
  const bodies = history(id, customer, { apart, modern })
  for (const at of pick) await deliver(bodies[at])
  for (const at of pick) assert.equal((await deliver(bodies[at])).status, 'skipped')
  const profile = await tenant.profile()
  assert.equal(profile.subscription_status, expected.status)
  assert.equal(profile.plan_tier, expected.tier)
  assert.equal(profile.stripe_subscription_id, id)
  assert.ok(profile.current_period_end > profile.current_period_start, JSON.stringify(profile))
  assert.equal(await tenant.balance(), 0)
}

export const subscriptionScenarios = Object.fromEntries([
  ...permutations([0, 1, 2]).map((pick) => [`subscription events in the order ${pick}`,
    inOrder(pick, 1, false, { status: 'canceled', tier: 'free' })]),
  ...permutations([0, 1]).map((pick) => [`a subscription that stays, ${pick}`,
    inOrder(pick, 1, true, { status: 'active', tier: 'professional' })]),
  ['all of it in one second, backwards',
    inOrder([2, 1, 0], 0, true, { status: 'canceled', tier: 'free' })],
  ['a customer that nobody knows', async () => {
    const [created] = history(newId('sub'), newId('cus'), { apart: 1, modern: true })
    const result = await deliver(created)
    assert.equal(result.status, 'ignored')
    assert.equal(result.reason, 'customer_not_found')
  }],
  ['an invoice that could not be paid', async () => {
    const tenant = await newTenant()
    const { customer } = tenant
    const result = await deliver(event('invoice.payment_failed', { id: newId('in'),
      object: 'invoice', amount_due: 1900, attempt_count: 1, currency: 'usd', customer,
      subscription: newId('sub') }))
    assert.equal(result.status, 'processed')
    assert.equal(await tenant.balance(), 0)
  }],
])
