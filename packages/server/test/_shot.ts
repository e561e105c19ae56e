import { chromium } from 'playwright-core'
import { createMillrace, defineEvent, reject } from '@millrace/core'
import { memory } from '@millrace/core/memory'
import { createServer } from '@millrace/server'
import { z } from 'zod'
const { sqlite } = await import('@millrace/sqlite')
import { rmSync } from 'node:fs'
rmSync('/tmp/shot.db', { force: true })
const OrderPlaced = defineEvent('order.placed', {
  schema: z.object({ orderId: z.string(), total: z.number() }),
  key: (d) => d.orderId,
  description: 'A customer has ordered.',
})
const PaymentTaken = defineEvent('payment.taken', { schema: z.object({ orderId: z.string() }), key: (d) => d.orderId })
const PageViewed = defineEvent('page.viewed', { schema: z.object({ path: z.string() }) })
const millrace = createMillrace({ engine: sqlite('/tmp/shot.db'), name: 'shop' })
await millrace.subscribe(
  OrderPlaced,
  async (e) => {
    const n = Number(e.data.orderId.slice(2))
    if (n % 37 === 0) throw new Error('The card was declined by the bank')
    if (n % 91 === 0) return reject('No such customer: c-' + n)
    await millrace.publish(PaymentTaken, { orderId: e.data.orderId })
    return undefined
  },
  { group: 'billing', retry: { attempts: 2, backoff: { first: 1 } } },
)
await millrace.subscribe('**', () => {}, { group: 'audit-log' })
const slow = await millrace.subscribe(PageViewed, () => new Promise((r) => setTimeout(r, 400)), {
  group: 'analytics',
  concurrency: 2,
})
const gone = await millrace.subscribe(PaymentTaken, () => {}, { group: 'mailer' })
await gone.ready
await gone.stop()
const fetchApp = () => new Response('<h1>hi', { headers: { 'content-type': 'text/html' } })
const server = createServer({
  millrace,
  port: 0,
  mounts: [
    { path: '/analytics', name: 'Site analytics', description: 'Visits, funnels and anomalies, live', fetch: fetchApp },
    { path: '/audit', name: 'Site audit', description: 'Crawls and scores a web site', fetch: fetchApp },
  ],
})
const { url } = await server.listen()
let n = 0
const timer = setInterval(async () => {
  for (let i = 0; i < 3 + 2 * Math.sin(n / 40); i++) {
    n++
    void millrace.publish(OrderPlaced, { orderId: 'A-' + n, total: n * 1.5 })
    if (n % 3 === 0) void millrace.publish(PageViewed, { path: '/products/' + n })
  }
}, 50)
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
const out = process.argv[2] ?? '/tmp'
const seconds = Number(process.argv[3] ?? 20)
const shots = [
  ['light', 1280, 1],
  ['dark', 1280, 1],
  ['light', 390, 2],
] as const
const pages = await Promise.all(
  shots.map(async ([colorScheme, width, deviceScaleFactor]) => {
    const p = await browser.newPage({ colorScheme, viewport: { width, height: 900 }, deviceScaleFactor })
    p.on('console', (m) => console.log('console', m.text()))
    p.on('pageerror', (e) => console.log('pageerror', e))
    await p.goto(url)
    return p
  }),
)
await new Promise((r) => setTimeout(r, seconds * 1000))
await pages[0]
  .locator('.failure summary')
  .first()
  .click()
  .catch((e) => console.log(String(e)))
await new Promise((r) => setTimeout(r, 500))
await Promise.all(pages.map((p, i) => p.screenshot({ path: `${out}/shot-${i}.png`, fullPage: true })))
await browser.close()
clearInterval(timer)
console.time('close')
await server.close()
await millrace.close({ timeoutMs: 1000 })
console.timeEnd('close')
process.exit(0)
