// client: keep-alive, C connections, batches of 10
import http from 'node:http'
const url = new URL(process.argv[2]!)
const C = Number(process.argv[3] ?? 32)
const SECS = Number(process.argv[4] ?? 4)
const agent = new http.Agent({ keepAlive: true, maxSockets: C })
let n = 0,
  done = 0,
  bad = 0
const lat: number[] = []
const data = {
  orderId: 'A-12345',
  customer: 'c-99',
  items: [
    { sku: 'X1', qty: 2, price: 9.99 },
    { sku: 'Y2', qty: 1, price: 19.5 },
  ],
  currency: 'EUR',
  note: 'leave at the door please',
}
const run = process.pid + '-' + Date.now()
const body = () =>
  JSON.stringify(
    Array.from({ length: 10 }, () => {
      const i = n++
      return {
        specversion: '1.0',
        id: `${run}-${i}`,
        source: '/bench',
        type: 'order.placed',
        time: '2026-11-21T00:00:00.000Z',
        partitionkey: 'k' + (i % 1000),
        datacontenttype: 'application/json',
        data,
      }
    }),
  )
const end = Date.now() + SECS * 1000
const one = () =>
  new Promise<void>((resolve) => {
    const b = body()
    const t = performance.now()
    const r = http.request(
      {
        host: url.hostname,
        port: url.port,
        path: '/v1/events',
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/cloudevents-batch+json', 'content-length': Buffer.byteLength(b) },
      },
      (res) => {
        if (res.statusCode !== 202) bad++
        res.resume()
        res.on('end', () => {
          done += 10
          lat.push(performance.now() - t)
          resolve()
        })
      },
    )
    r.end(b)
  })
const t0 = performance.now()
await Promise.all(
  Array.from({ length: C }, async () => {
    while (Date.now() < end) await one()
  }),
)
lat.sort((a, b) => a - b)
console.log(
  'events/s',
  Math.round(done / ((performance.now() - t0) / 1000)),
  'bad',
  bad,
  'p50',
  lat[lat.length >> 1]!.toFixed(1),
  'p99',
  lat[Math.floor(lat.length * 0.99)]!.toFixed(1),
)
process.exit(0)
