// A socket that waits for its end, and says with which code it came.
// Usage: node live_wait.mjs HOST:PORT TOKEN
import WebSocket from 'ws'

const [address, token] = process.argv.slice(2)
const socket = new WebSocket('ws://' + address + '/api/v1/ws',
  { headers: { authorization: 'Bearer ' + token } })
socket.on('open', () => console.log('open'))
socket.on('error', (error) => console.log('error ' + error.message))
socket.on('close', (code) => console.log('closed ' + code))
