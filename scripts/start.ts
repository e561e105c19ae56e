// `npm start`: the workbench on an embedded engine, with the operator page and the reference applications.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { isMillraceError } from '@millrace/core'
import { engineFromUrl, runServer } from 'site-analytics'

const cwd = process.env['INIT_CWD'] ?? process.cwd()
process.exit(await main())

/** 0 stopped, 1 failed, 2 wrong use, 3 engine unreachable. */
async function main(): Promise<number> {
  const settings = read()
  if (typeof settings === 'string') return refuse(settings)
  const { port, dataDir } = settings
  try {
    const engine = engineFromUrl(settings.engine ?? `sqlite:${dataDir}/millrace.db`, cwd)
    return await runServer({
      name: 'workbench',
      engine,
      dataDir,
      role: 'all',
      port,
      say: (line) => void process.stdout.write(`${line}\n`),
      warn: (line) => void process.stderr.write(`${line}\n`),
    })
  } catch (error) {
    if (isMillraceError(error, 'engine_url_invalid')) return refuse(error.message)
    throw error
  }
}

function read(): string | { readonly port: number; readonly engine: string | undefined; readonly dataDir: string } {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: process.env['PORT'] || '4400' },
        engine: { type: 'string' },
        data: { type: 'string', default: './.millrace' },
      },
    })
    const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : Number.NaN
    if (!(port <= 65_535)) return `The port ${values.port} is not a whole number from 0 to 65535.`
    return { port, engine: values.engine, dataDir: resolve(cwd, values.data) }
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    return `${text.split('. ')[0]?.replace(/\.$/, '') ?? text}. The flags are --port N, --engine URL and --data DIR.`
  }
}

function refuse(text: string): number {
  process.stderr.write(`${text}\n`)
  return 2
}
