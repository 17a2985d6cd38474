// The live protocol with the standard Node clients: ws on the sockets, eventsource on
// the stream. Usage: node live.mjs HOST:PORT TOKEN USERNAME ADMIN_TOKEN
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { EventSource } from 'eventsource'
import WebSocket from 'ws'

const [address, token, username, admin] = process.argv.slice(2)
const http = 'http://' + address
const within = (what, promise, milliseconds = 10000) => Promise.race([promise, new Promise(
  (_, reject) => setTimeout(() => reject(new Error('too late: ' + what)), milliseconds).unref())])

const submit = async (text) => {
  const answer = await fetch(http + '/api/jobs/', {
    method: 'POST',
    headers: { authorization: 'Bearer ' + token, 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'text.stats', payload: { text } }),
  })
  assert.equal(answer.status, 201)
  return (await answer.json()).id
}

// What has come, and a promise for what is to come.
class Inbox {
  constructor() { this.all = []; this.waiting = [] }
  add(one) {
    this.all.push(one)
    for (const check of [...this.waiting]) check()
  }
  find(what, matches) {
    return within(what, new Promise((resolve) => {
      const check = () => {
        const found = this.all.find(matches)
        if (!found) return
        this.waiting = this.waiting.filter((other) => other !== check)
        resolve(found)
      }
      this.waiting.push(check)
      check()
    }))
  }
}

// A socket as a browser opens it: no header, the token as a subprotocol.
const socket = new WebSocket('ws://' + address + '/api/v1/ws', ['bearer', token],
  { origin: http })
const frames = new Inbox()
socket.on('message', (data) => frames.add(JSON.parse(data)))
await within('the socket', once(socket, 'open'))
assert.equal(socket.protocol, 'bearer')
const send = (frame) => socket.send(JSON.stringify({ type: 'command', ...frame }))
send({ event: 'subscribe', id: 'cmd_1', data: { events: ['execution.*'] } })
const subscribed = await frames.find('the subscription', (frame) => frame.id === 'cmd_1')
assert.deepEqual(subscribed.data, { events: ['execution.*'] })
send({ event: 'ping', id: 'cmd_2' })
assert.equal((await frames.find('the pong', (frame) => frame.id === 'cmd_2')).event, 'pong')

const eventsOf = (id) => (frame) => frame.type === 'event' && frame.data.execution_id === id
const first = await submit('one two')
await frames.find('execution.started',
  (frame) => eventsOf(first)(frame) && frame.event === 'execution.started')
const completed = await frames.find('execution.completed',
  (frame) => eventsOf(first)(frame) && frame.event === 'execution.completed')
assert.match(completed.timestamp, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)

// The same as a stream, which goes on where it was left.
const follow = (lastEventId) => {
  const source = new EventSource(http + '/api/v1/events?events=execution.completed', {
    fetch: (input, init) => fetch(input, { ...init, headers: {
      ...init.headers,
      authorization: 'Bearer ' + token,
      ...(lastEventId ? { 'Last-Event-ID': lastEventId } : {}),
    } }),
  })
  const inbox = new Inbox()
  source.addEventListener('execution.completed',
    (event) => inbox.add({ id: event.lastEventId, ...JSON.parse(event.data) }))
  source.addEventListener('error', (event) => event.data && inbox.add(JSON.parse(event.data)))
  source.addEventListener('gap', () => inbox.add({ type: 'gap' }))
  return { source, inbox }
}
const opened = (source) => within('the stream',
  new Promise((resolve) => source.addEventListener('open', resolve, { once: true })))

const before = follow()
await opened(before.source)
const second = await submit('three')
const seen = await before.inbox.find('the second job', eventsOf(second))
before.source.close()
const third = await submit('four')
await frames.find('the third job on the socket',
  (frame) => eventsOf(third)(frame) && frame.event === 'execution.completed')
const after = follow(seen.id)
await opened(after.source)
await after.inbox.find('the third job', eventsOf(third))
assert.ok(!after.inbox.all.some((frame) => frame.type === 'gap' || eventsOf(second)(frame)),
  'nothing is repeated, nothing is missing')

// Who is revoked is out within a second.
const closed = within('4401', once(socket, 'close'), 1000)
const revoked = await fetch(http + '/platform/authorization/admin/revoke/' + username,
  { method: 'POST', headers: { authorization: 'Bearer ' + admin } })
assert.equal(revoked.status, 200)
const [code, reason] = await closed
assert.equal(code, 4401)
assert.match(String(reason), /revoked/)
await after.inbox.find('the end of the stream', (frame) => frame.code === 4401)
after.source.close()
console.log('live: ok')
