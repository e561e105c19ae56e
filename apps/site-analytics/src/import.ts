import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { createMillrace, isMillraceError, systemRuntime } from '@millrace/core'
import { engineFromUrl } from './engine-url.ts'
import { ANALYTICS_EVENTS } from './events.ts'
import { importedVisitorHash } from './ingest/daily-salt.ts'
import { importLog } from './log/import-log.ts'

const USAGE = `Usage: npm run import -w site-analytics -- FILE [--engine URL] [--data DIR] [--site HOST] [--json]
FILE is an Apache or Nginx access log in the combined or common format; gzip and zstd are unpacked.`

const cwd = process.env['INIT_CWD'] ?? process.cwd()
process.exitCode = await main(process.argv.slice(2))

/** 0 fine, 1 failed, 2 wrong use, 3 engine unreachable. */
async function main(args: readonly string[]): Promise<number> {
  const options = read(args)
  if (typeof options === 'string') return fail(`${options}\n${USAGE}`, 2)
  const { file, data, json, site } = options
  try {
    await access(file)
  } catch {
    return fail(`The file ${file} cannot be read. Give the path of an access log.`, 1)
  }
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  process.once('SIGTERM', () => stop.abort())
  try {
    const runtime = systemRuntime()
    const engine = engineFromUrl(options.engine ?? `sqlite:${data}/millrace.db`, cwd)
    await using millrace = createMillrace({ name: 'site-analytics-import', engine, events: ANALYTICS_EVENTS, runtime })
    const report = await importLog(file, {
      millrace,
      runtime,
      visitorOf: importedVisitorHash(data),
      ...(site === undefined ? {} : { site }),
      signal: stop.signal,
      onProgress: (lines) => progress(`${lines.toLocaleString('en')} lines`),
    })
    progress('')
    const { lines, events, rejected, duplicates, seconds } = report
    process.stdout.write(
      json
        ? `${JSON.stringify(report)}\n`
        : `${lines} lines: ${events} events, ${rejected} rejected, ${duplicates} imported before, in ${seconds} s\n`,
    )
    return 0
  } catch (error) {
    progress('')
    if (isMillraceError(error, 'engine_url_invalid')) return fail(error.message, 2)
    if (isMillraceError(error)) return fail(error.message, error.code.startsWith('engine_') ? 3 : 1)
    const reason = error instanceof Error ? error.message : String(error)
    return fail(`The import ended before the end of ${file}: ${reason}. Importing the file again goes on there.`, 1)
  }
}

function read(args: readonly string[]):
  | string
  | {
      readonly file: string
      readonly engine: string | undefined
      readonly data: string
      readonly site: string | undefined
      readonly json: boolean
    } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        engine: { type: 'string' },
        data: { type: 'string', default: './.millrace' },
        site: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    })
    const [file, ...more] = positionals
    if (file === undefined || more.length > 0) return 'Name one file.'
    const { engine, data, site, json } = values
    return { file: resolve(cwd, file), engine, data: resolve(cwd, data), site, json }
  } catch (error) {
    return error instanceof Error ? (error.message.split('. ')[0] ?? error.message) : String(error)
  }
}

function fail(text: string, code: number): number {
  process.stderr.write(`${text}\n`)
  return code
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`)
}
