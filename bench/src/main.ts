import { parseArgs } from 'node:util'
import { startPeers } from './peers.ts'
import { printLine } from './report.ts'
import { scenarios } from './scenarios.ts'

const USAGE = `npm run bench -- [SCENARIO ...|all] [--engine sqlite] [--runs 5] [--quick] [--json]

Scenarios: ${Object.keys(scenarios).join(', ')}
  --runs N   measurements of each contender, alternating (default 5)
  --quick    a tenth of the events and one run: a look, not a figure
  --json     one JSON object a line on stdout, nothing else
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: 'string', default: 'sqlite' },
    runs: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const asked = positionals.length === 0 || positionals.includes('all') ? Object.keys(scenarios) : positionals
const wrong = asked.find((name) => scenarios[name] === undefined)
if (values.help || wrong !== undefined || values.engine !== 'sqlite' || !/^[1-9]\d?$/.test(values.runs)) {
  if (wrong !== undefined) process.stderr.write(`There is no scenario "${wrong}".\n\n`)
  process.stderr.write(USAGE)
  process.exit(values.help ? 0 : 2)
}

const { peers, stop } = await startPeers()
try {
  for (const name of asked) {
    const lines = await scenarios[name]?.({
      runs: values.quick ? 1 : Number(values.runs),
      scale: values.quick ? 0.1 : 1,
      peers,
    })
    for (const line of lines ?? []) printLine(line, values.json)
  }
} finally {
  await stop()
}
