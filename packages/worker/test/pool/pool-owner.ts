// Owns a pool of one process, says where its task ran, and goes on.
import { processPool } from '../../src/index.ts'
import { watchedTask } from './task-context.ts'

const pool = processPool<unknown, string>({
  file: new URL('./handlers.ts', import.meta.url),
  handler: 'where',
  processes: 1,
})
const place = await pool(undefined, watchedTask().task)
process.stdout.write(`${JSON.stringify(place)}\n`)
setInterval(() => {}, 1_000)
