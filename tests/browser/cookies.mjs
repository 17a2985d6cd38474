// Drives a real Chromium against the edge: what the cookies are, what scripts see of
// them, what a page of another site can do with them. Usage: node cookies.mjs
// HOST:PORT USERNAME PASSWORD [SCREENSHOT]
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { chromium } from 'playwright-core'

const [edge, username, password, screenshot] = process.argv.slice(2)
const page = readFileSync(new URL('./page.html', import.meta.url))

// One origin for the page and the edge, as behind a TLS proxy. A browser treats
// http://localhost as secure, so that Secure cookies work.
const listen = (handler) => new Promise((resolve) => {
  const server = http.createServer(handler).listen(0, '127.0.0.1', () => resolve(server))
})
const [host, port] = edge.split(':')
const site = await listen((request, response) => {
  if (request.url === '/page') {
    return response.writeHead(200, { 'Content-Type': 'text/html' }).end(page)
  }
  const { method, url: path, headers } = request
  const upstream = http.request({ host, port, method, path, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders)
    answer.pipe(response)
  })
  upstream.on('error', () => response.destroy())
  request.pipe(upstream)
})
const home = `http://localhost:${site.address().port}`
// Another site: a form that posts to ours, and a link.
const attacker = await listen((request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/html' }).end(`<!doctype html>
    <form id="post" method="post" action="${home}/api/auth/logout/"></form>
    <a id="link" href="${home}/api/me/">me</a>`)
})
const elsewhere = `http://127.0.0.1:${attacker.address().port}/`

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox']
})
const context = await browser.newContext()
const tab = await context.newPage()
const ask = (...rest) => tab.evaluate((words) => ask(...words), rest)
const cookies = async (name) => (await context.cookies(home)).filter((c) => c.name === name)
const one = async (name) => {
  const found = await cookies(name)
  assert.equal(found.length, 1, `one cookie ${name}`)
  return found[0]
}
const inSeconds = (cookie) => cookie.expires - Date.now() / 1000

await tab.goto(home + '/page')
assert.equal((await ask('GET', '/api/me/')).status, 401)

// A session that ends with the browser.
const login = { username, password }
assert.equal((await ask('POST', '/api/auth/login/', login)).status, 200)
assert.equal((await one('access_token_cookie')).expires, -1)

// One that is remembered.
const remembered = await ask('POST', '/api/auth/login/', { ...login, remember_me: true })
assert.equal(remembered.status, 200)
const session = await one('access_token_cookie')
const csrf = await one('csrf_token')
for (const cookie of [session, csrf]) {
  assert.equal(cookie.secure, true)
  assert.equal(cookie.sameSite, 'Lax')
  assert.equal(cookie.path, '/')
  assert.equal(cookie.domain, 'localhost')
  assert.ok(Math.abs(inSeconds(cookie) - 14 * 86400) < 120, `${cookie.name} ${inSeconds(cookie)}`)
}
assert.equal(session.httpOnly, true)
assert.equal(csrf.httpOnly, false)
const seen = await tab.evaluate(() => document.cookie)
assert.ok(seen.includes('csrf_token=') && !seen.includes('access_token_cookie'), 'scripts see one')
assert.ok(!JSON.stringify(remembered.json).includes(session.value))
assert.equal((await ask('GET', '/api/me/')).json.username, username)

// An unsafe method by cookie needs the token, and the right one.
const change = ['PATCH', '/api/billing/profile/', { low_balance_policy: 'warn' }]
const refused = await ask(...change)
assert.equal(refused.status, 403)
assert.equal(refused.json.error, 'CSRF_FAILED')
assert.equal((await ask(...change, { 'X-CSRF-Token': 'another' })).status, 403)
const token = await tab.evaluate(() => cookie('csrf_token'))
assert.equal((await ask(...change, { 'X-CSRF-Token': token })).status, 200)

// A bearer token needs none.
const access = (await ask('POST', '/api/v1/auth/login', login)).json.access_token
const bearer = { Authorization: `Bearer ${access}` }
assert.equal((await ask(...change, bearer, 'omit')).status, 200)

// Another site: its posts come without the cookie, its links with it, its scripts
// see nothing.
const other = await context.newPage()
await other.goto(elsewhere)
const [posted] = await Promise.all([
  other.waitForResponse((answer) => answer.url().endsWith('/api/auth/logout/')),
  other.evaluate(() => document.getElementById('post').submit())
])
assert.equal(posted.status(), 401)
await other.waitForURL(home + '/api/auth/logout/')
await other.goto(elsewhere)
const sent = other.waitForRequest((request) => request.url().endsWith('/api/auth/logout/'))
await other.evaluate((url) => fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include' })
  .catch(() => {}), home + '/api/auth/logout/')
assert.ok(!('cookie' in await (await sent).allHeaders()), 'no cookie with a foreign fetch')
const read = await other.evaluate((url) => fetch(url, { credentials: 'include' })
  .then((answer) => answer.text(), () => 'blocked'), home + '/api/me/')
assert.equal(read, 'blocked')
const [linked] = await Promise.all([
  other.waitForResponse((answer) => answer.url().endsWith('/api/me/')),
  other.click('#link')
])
assert.equal(linked.status(), 200)
assert.equal((await ask('GET', '/api/me/')).status, 200, 'still logged in')
if (screenshot) await tab.screenshot({ path: screenshot })

// The platform's login replaces the cookie, for half an hour.
const platform = await ask('POST', '/platform/authorization', { email: username, password })
assert.equal(platform.status, 200)
assert.ok(Math.abs(inSeconds(await one('access_token_cookie')) - 1800) < 60)
assert.equal((await ask('GET', '/platform/authorization/status')).status, 200)

// Logging out deletes both cookies and kills what they held.
const dead = (await one('access_token_cookie')).value
const proof = await tab.evaluate(() => cookie('csrf_token'))
const out = await ask('POST', '/platform/authorization/invalidate', null, { 'X-CSRF-Token': proof })
assert.equal(out.status, 200)
assert.equal((await context.cookies(home)).length, 0)
assert.equal((await ask('GET', '/api/me/')).status, 401)
const again = await ask('GET', '/api/me/', null, { Authorization: `Bearer ${dead}` }, 'omit')
assert.equal(again.status, 401)

await browser.close()
site.close()
attacker.close()
console.log('cookies: ok')
process.exit(0)
