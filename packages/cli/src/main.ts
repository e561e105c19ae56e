#!/usr/bin/env node
const oldest = 24
const major = Number(process.versions.node.split('.')[0])
if (major < oldest) {
  process.stderr.write(`millrace needs Node.js ${oldest} or newer; this is ${process.versions.node}.\n`)
  process.exit(1)
}
// Saves the next start from compiling everything again.
process.getBuiltinModule('node:module').enableCompileCache()
// Only now: what lies behind uses what an older Node cannot even parse.
const { run } = await import('./run.ts')
await run(process.argv.slice(2))

export {}
