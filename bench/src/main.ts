import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { BenchEngine } from './engine.ts'
import { askedEngines, startEngine } from './engines/start-engine.ts'
import { markdown } from './markdown.ts'
import { tableHead, tableRows, type Line } from './report.ts'
import { scenarios } from './scenarios.ts'

const USAGE = `npm run bench -- [SCENARIO ...|all] [--engine sqlite|redis|postgres|URL] [--runs 5] [--quick] [--json] [--out FILE]
npm run bench -- --table FILE

Scenarios: ${Object.keys(scenarios).join(', ')}
  --engine E   one engine, or the URL of a server that is there; default: all that can be started
  --runs N     measurements of each contender, alternating (default 5)
  --quick      a tenth of the events and one run: a look, not a figure
  --json       one JSON object a line on stdout, nothing else
  --out FILE   the same lines into a file, beside the table
  --table FILE nothing is measured: such a file as the tables of docs/benchmarks.md
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: 'string' },
    runs: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    out: { type: 'string' },
    table: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const { json, quick, out } = values
const asked = positionals.length === 0 || positionals.includes('all') ? Object.keys(scenarios) : positionals
const wrong = asked.find((name) => scenarios[name] === undefined)
const engines = askedEngines(values.engine)
if (values.help || wrong !== undefined || engines === undefined || !/^[1-9]\d?$/.test(values.runs)) {
  if (wrong !== undefined) process.stderr.write(`There is no scenario "${wrong}".\n\n`)
  if (engines === undefined) process.stderr.write('There is no such engine to measure.\n\n')
  process.stderr.write(USAGE)
  process.exit(values.help ? 0 : 2)
}
if (values.table !== undefined) {
  const lines = readFileSync(values.table, 'utf8').trim().split('\n')
  process.stdout.write(markdown(lines.map((line) => JSON.parse(line) as Line)))
  process.exit(0)
}

if (out !== undefined) writeFileSync(out, '')
let current: BenchEngine | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopCurrent().finally(() => process.exit(130)))
}
for (const one of engines) {
  current = await startEngine(one)
  if (current === undefined) continue
  try {
    await measureEngine(current)
  } finally {
    await stopCurrent()
  }
}

async function stopCurrent(): Promise<void> {
  const engine = current
  current = undefined
  await engine?.stop()
}

async function measureEngine(engine: BenchEngine): Promise<void> {
  if (!json) process.stdout.write(`\n${headOf(engine)}\n${tableHead()}`)
  for (const name of asked) {
    const extent = { runs: quick ? 1 : Number(values.runs), scale: quick ? 0.1 : 1 }
    const lines = await scenarios[name]?.(engine, extent).catch((error: unknown) => {
      process.stderr.write(`${engine.name} ${name}: ${error instanceof Error ? error.message : String(error)}\n`)
      process.exitCode = 1
      return []
    })
    if (lines === undefined || lines.length === 0) continue
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
    process.stdout.write(json ? text : tableRows(lines))
    if (out !== undefined) appendFileSync(out, text)
  }
}

/** Who is measured, with the configuration and the durability of each. */
function headOf({ name, about, limit, peers, publish }: BenchEngine): string {
  const all = [
    ['millrace', `product defaults; publish with ${publish.inFlight} single calls in flight`],
    ['bare', limit.about],
    ...peers.map((peer) => [peer.name, peer.about]),
  ] as const
  return [`${name}: ${about}`, ...all.map(([who, how]) => `  ${(who ?? '').padEnd(34)} ${how ?? ''}`), ''].join('\n')
}
