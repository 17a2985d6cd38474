// Looks at /docs and /redoc in a real Chromium: the viewers show the document, nothing is
// loaded from elsewhere, nothing is refused by the pages' own content policy. Usage: node
// pages.mjs HOST:PORT [SCREENSHOT_FOLDER]
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'

const [edge, folder] = process.argv.slice(2)
const home = `http://${edge}`
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox']
})

async function open (path, shown) {
  const page = await browser.newPage({ viewport: { width: 1400, height: 1000 } })
  const faults = []
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()))
  page.on('pageerror', (error) => faults.push(String(error)))
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().startsWith(home)) {
      faults.push(`asked for ${request.url()}`)
    }
  })
  await page.goto(home + path)
  await page.waitForSelector(shown)
  const finish = async () => {
    if (folder) await page.screenshot({ path: `${folder}/${path.slice(1)}.png` })
    assert.deepEqual(faults, [], path)
    await page.close()
  }
  return { page, finish }
}

const docs = await open('/docs', '#operations-tag-Health')
await docs.page.click('#operations-tag-Health')
await docs.page.click('#operations-Health-getHealth button')
await docs.page.click('#operations-Health-getHealth .try-out__btn')
await docs.page.click('#operations-Health-getHealth .execute')
await docs.page.waitForSelector('#operations-Health-getHealth .live-responses-table')
const answer = await docs.page.textContent('#operations-Health-getHealth .live-responses-table')
assert.match(answer, /"service": "gatehouse"/, 'a call from the page')
await docs.finish()

const redoc = await open('/redoc', '[data-section-id="tag/Login"]')
await redoc.page.fill('input[type=text]', 'passkey')
await redoc.page.waitForSelector('[data-role="search:results"]')
assert.match(await redoc.page.textContent('[data-role="search:results"]'), /passkey/, 'its search')
await redoc.finish()

await browser.close()
console.log('pages: ok')
