import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Writes a report as JSON into the folder of `MILLRACE_EVIDENCE`, if that is set. */
export function keepEvidence(name: string, report: unknown): void {
  const folder = process.env['MILLRACE_EVIDENCE']
  if (folder === undefined || folder === '') return
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(report, undefined, 2)}\n`)
}
