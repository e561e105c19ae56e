import Better from 'better-sqlite3'
import { DatabaseSync } from 'node:sqlite'
import { systemRuntime } from '../../../core/src/runtime/system-runtime.ts'
import { sqlite } from '../../src/index.ts'
import { record } from './plain-record.ts'

/**
 * What a second SQLite library on the same file does. `danger`: plain node:sqlite beside better-sqlite3; writes how many
 * rows this process and another one see. `open`, `closed`, `before`: our driver beside it; writes the outcome. `loaded`: the
 * library has another file open when we connect, and then opens and closes ours.
 */
const [mode = '', path = ''] = process.argv.slice(2)
const say = (text: string): void => void process.stdout.write(`${text}\n`)

/** Opens, reads and closes the file with the other library, in one go or in two steps. */
function useForeign(): () => void {
  const foreign = new Better(path)
  foreign.prepare('SELECT count(*) FROM sqlite_schema').get()
  return () => void foreign.close()
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

if (mode === 'danger') {
  const ours = new DatabaseSync(path)
  ours.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows (n)')
  useForeign()()
  ours.exec('INSERT INTO rows VALUES (1)')
  say(`committed ${Number(ours.prepare('SELECT count(*) AS n FROM rows').get()?.['n'])}`)
  process.stdin.once('data', () => process.kill(process.pid, 'SIGKILL'))
} else {
  const driver = sqlite(path).open(systemRuntime())
  if (mode === 'loaded') new Better(`${path}-other`).prepare('SELECT 1').get()
  if (mode === 'before') {
    const close = useForeign()
    await driver.transport.connect().then(
      () => say('connected'),
      (error: unknown) => say(codeOf(error)),
    )
    close()
    process.exit(0)
  }
  await driver.transport.connect()
  await driver.transport.ensureTopic('order', { partitions: 4 })
  const close = useForeign()
  if (mode !== 'open') close()
  // The library is noticed within a second; from then on every commit is checked.
  for (let n = 0; ; n++) {
    const [outcome] = await driver.transport.publish([record(n)])
    if (outcome !== undefined && 'error' in outcome) {
      say(`${n} ${outcome.outcome}:${codeOf(outcome.error)}`)
      break
    }
  }
  const [after] = await driver.transport.publish([record(1_000_000)])
  say(after !== undefined && 'error' in after ? `${after.outcome}:${codeOf(after.error)}` : 'stored')
  process.exit(0)
}
