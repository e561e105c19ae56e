import { conformance } from '@millrace/conformance'
import { memory } from '@millrace/core/memory'

conformance({
  name: 'memory',
  makeEngine: () => memory(),
  restart: (engine) => engine,
  secondProcess: (engine) => engine,
  capabilities: { durability: 'memory', order: 'native', fencing: 'native', dedupe: 'native', processes: 'none' },
})
