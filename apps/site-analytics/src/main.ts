import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { isMillraceError } from '@millrace/core'
import { engineFromUrl } from './engine-url.ts'
import { runServer } from './run-server.ts'
import type { Role } from './site-analytics.ts'

const USAGE = `Usage: npm start -w site-analytics -- [--role web|worker|all] [--engine URL] [--port N] [--data DIR]`
const ROLES: readonly string[] = ['web', 'worker', 'all'] satisfies readonly Role[]

const cwd = process.env['INIT_CWD'] ?? process.cwd()
process.exit(await main())

/** Runs the application alone, as one process or as the web or worker half of it. */
async function main(): Promise<number> {
  try {
    const { values } = parseArgs({
      options: {
        role: { type: 'string', default: 'all' },
        engine: { type: 'string' },
        port: { type: 'string', default: process.env['PORT'] ?? '4400' },
        data: { type: 'string', default: './.millrace' },
      },
    })
    const dataDir = resolve(cwd, values.data)
    const port = Number(values.port)
    if (!isRole(values.role)) return refuse(`--role is web, worker or all, not ${values.role}.`)
    if (values.port === '' || !Number.isInteger(port) || port < 0 || port > 65_535) {
      return refuse(`--port is a whole number from 0 to 65535, not ${values.port}.`)
    }
    return await runServer({
      name: 'site-analytics',
      engine: engineFromUrl(values.engine ?? `sqlite:${dataDir}/millrace.db`, cwd),
      dataDir,
      role: values.role,
      port,
      say: (line) => void process.stdout.write(`${line}\n`),
      warn: (line) => void process.stderr.write(`${line}\n`),
    })
  } catch (error) {
    if (isMillraceError(error) || (error instanceof Error && 'code' in error)) return refuse(error.message)
    throw error
  }
}

function isRole(value: string): value is Role {
  return ROLES.includes(value)
}

function refuse(text: string): number {
  process.stderr.write(`${text.split('. ')[0] ?? text}\n${USAGE}\n`)
  return 2
}
