// The OpenAPI document as a contract: makes requests of its operations and validates
// what is sent and what comes back against its schemas. Remembers what was called.
import formats from 'ajv-formats'
import Ajv from 'ajv/dist/2020.js'
import http from 'node:http'

const METHODS = ['get', 'put', 'post', 'patch', 'delete']
const escape = (key) =>
  encodeURIComponent(String(key).replaceAll('~', '~0').replaceAll('/', '~1'))
const pointer = (...keys) => keys.map((key) => '/' + escape(key)).join('')

export class Contract {
  constructor (document, edge) {
    this.document = document
    this.edge = edge
    this.problems = []
    this.operations = new Map()
    this.called = new Set()
    this.ajv = new Ajv({ allErrors: true, strict: false, validateSchema: false })
    formats(this.ajv)
    this.ajv.addFormat('int64', { type: 'number', validate: Number.isSafeInteger })
    this.ajv.addSchema({ $id: 'document', ...document })
    this.validators = new Map()
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const method of METHODS) {
        if (methods[method]) {
          this.operations.set(methods[method].operationId, { path, method, ...methods[method] })
        }
      }
    }
  }

  operation (id) {
    const found = this.operations.get(id)
    if (!found) throw new Error(`no operation ${id}`)
    return found
  }

  // Validates `value` by the schema at `place`, a JSON pointer into the document.
  check (place, value, what) {
    if (!this.validators.has(place)) {
      this.validators.set(place, this.ajv.compile({ $ref: 'document#' + place }))
    }
    const validate = this.validators.get(place)
    if (validate(value)) return
    for (const error of validate.errors) {
      const extra = error.params.additionalProperty ?? error.params.allowedValues ?? ''
      this.problems.push(`${what}: ${error.instancePath} ${error.message} ${extra}`)
    }
  }

  // The parts of a request by its parameters: defaults are sent, path values must be given.
  target (id, values) {
    const { path, method, parameters = [] } = this.operation(id)
    let url = path
    const query = new URLSearchParams()
    const headers = {}
    parameters.forEach((parameter, index) => {
      const { name, in: place, schema } = parameter
      const value = values[name] ?? (place === 'query' ? schema.default : undefined)
      if (value === undefined) {
        if (place === 'path') this.problems.push(`${id}: no value for {${name}}`)
        return
      }
      this.check(pointer('paths', path, method, 'parameters', index, 'schema'), value,
        `${id} ${name}`)
      if (place === 'path') url = url.replace(`{${name}}`, encodeURIComponent(value))
      if (place === 'query') query.set(name, value)
      if (place === 'header') headers[name] = value
    })
    return { url: query.size > 0 ? `${url}?${query}` : url, headers }
  }

  // Calls one operation and validates both ways. `as`: a credential, or nothing; `body`:
  // instead of the example; `status`: instead of the first of success. → the answer's
  // JSON.
  async call (id, { as, body, status, values = {}, isRefused = false } = {}) {
    const { path, method, requestBody, responses } = this.operation(id)
    const { url, headers } = this.target(id, values)
    if (as) headers.Authorization = `Bearer ${as}`
    let sent
    if (requestBody) {
      sent = body ?? requestBody.content['application/json'].example
      this.check(pointer('paths', path, method, 'requestBody', 'content', 'application/json',
        'schema'), sent, `${id} request`)
      headers['Content-Type'] = 'application/json'
    }
    const wanted = status ?? Number(Object.keys(responses).find((code) => code < '400'))
    const isUpgrade = Object.hasOwn(responses, '101')
    const answer = await this.exchange(method, url, headers, sent, isUpgrade)
    if (!isRefused) this.called.add(id)
    const what = `${id} (${method.toUpperCase()} ${url})`
    if (answer.status !== wanted) {
      this.problems.push(`${what}: ${answer.status} instead of ${wanted}: ${answer.text}`)
      return {}
    }
    return this.accept(what, [path, method, 'responses', String(wanted)], answer)
  }

  // Validates an answer by its documented response; → its JSON.
  accept (what, place, answer) {
    let keys = ['paths', ...place]
    let response = this.document.paths[place[0]][place[1]].responses[place[3]]
    if (response === undefined) {
      this.problems.push(`${what}: ${answer.status} is not documented`)
      return {}
    }
    if (response.$ref) {
      keys = response.$ref.slice(2).split('/')
      response = this.document.components.responses[keys.at(-1)]
    }
    this.acceptHeaders(what, response, answer)
    const type = (answer.headers['content-type'] ?? '').split(';')[0]
    if (response.content === undefined) {
      if (answer.text !== '') this.problems.push(`${what}: a body that is not documented`)
      return {}
    }
    if (response.content[type] === undefined) {
      this.problems.push(`${what}: the type ${type} is not documented`)
      return {}
    }
    const value = type.endsWith('json') ? JSON.parse(answer.text) : answer.text
    this.check(pointer(...keys, 'content', type, 'schema'), value, what)
    return value
  }

  acceptHeaders (what, response, { headers, status }) {
    for (const name of Object.keys(response.headers ?? {})) {
      const value = headers[name.toLowerCase()]
      const isAlways = name === 'X-Request-ID' || name === 'X-RateLimit-Limit'
      if (value === undefined) {
        // Handshakes end before there is a limit to tell.
        if (isAlways && status !== 101) this.problems.push(`${what}: no header ${name}`)
        continue
      }
      const { schema } = this.document.components.headers[name]
      this.check(pointer('components', 'headers', name, 'schema'),
        schema.type === 'integer' ? Number(value) : String(value), `${what} ${name}`)
    }
  }

  exchange (method, path, headers, body, isUpgrade) {
    const [host, port] = this.edge.split(':')
    const text = body === undefined ? '' : JSON.stringify(body)
    if (isUpgrade) {
      Object.assign(headers, {
        Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ=='
      })
    }
    if (text !== '') headers['Content-Length'] = Buffer.byteLength(text)
    return new Promise((resolve, reject) => {
      const request = http.request({ host, port, path, method: method.toUpperCase(), headers })
      request.setTimeout(10000, () => request.destroy(new Error(`${method} ${path}: no answer`)))
      request.on('error', reject)
      request.on('upgrade', (answer, socket) => {
        socket.on('error', () => {})
        socket.destroy()
        resolve({ status: answer.statusCode, headers: answer.headers, text: '' })
      })
      request.on('response', (answer) => {
        const parts = []
        const done = () => resolve({
          status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString()
        })
        if (answer.headers['content-type'] === 'text/event-stream') {
          done()
          return request.destroy()
        }
        answer.on('data', (part) => parts.push(part))
        answer.on('end', done)
        answer.on('error', reject)
      })
      request.end(text)
    })
  }
}
