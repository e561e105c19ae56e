import { createMillrace } from '@millrace/core'
import { memory } from '@millrace/core/memory'
import { createServer } from '@millrace/server'
const engine = process.argv[2] === 'sqlite' ? (await import('@millrace/sqlite')).sqlite('/tmp/srv-bench.db') : memory()
const millrace = createMillrace({ engine, name: 'shop' })
const server = createServer({ millrace, port: Number(process.argv[3] ?? 4499) })
console.log((await server.listen()).url)
process.on('SIGTERM', async () => {
  await server.close()
  await millrace.close()
  process.exit(0)
})
