// A supervisor in a process of its own.
import { supervise } from '../../src/index.ts'

const supervisor = supervise({
  module: new URL('./child.ts', import.meta.url),
  processes: { min: 2, max: 2 },
  stopTimeoutMs: 20_000,
})
process.stdout.write('up\n')
await supervisor.stopped
process.stdout.write('down\n')
