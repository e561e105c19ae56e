import { MillraceError } from '@millrace/core/driver'
import { bare } from './redis-error.ts'
import type { RedisPlace } from './read-url.ts'

/** What the library says of a Sentinel that it cannot connect to, in its own spelling; then the bare error of the connection once more. */
const OF_A_SENTINEL =
  /^(?:obser?ve client error: (?:\w*Error: )?|Sentinel Client \([^)]*\): |(?=connect E|Connection timeout|Socket closed))/
const OF_ALL = /^None of the sentinels are available/
const NO_SUCH_MASTER = /^(?:ERR )?No such master/i
const NO_SENTINEL = /unknown command[^A-Za-z]*sentinel/i

/** Says of an error of a client of Sentinels what to look at, where it is about the Sentinels; `name` is the URL without its secret. */
export function createSentinelErrors({
  name,
  nodes,
  master,
}: Pick<RedisPlace, 'name' | 'nodes' | 'master'>): (error: unknown) => Error {
  const addresses = nodes.map(({ host, port }) => `${host}:${port}`)
  const [first] = nodes
  const ask = `redis-cli -h ${first?.host} -p ${first?.port} SENTINEL`
  let last = ''

  return (error) => {
    const text = error instanceof Error ? error.message : String(error)
    const problem = (code: 'engine_unreachable' | 'config_invalid', message: string): MillraceError =>
      new MillraceError(code, message, { retriable: code === 'engine_unreachable', cause: bare(error) })
    if (NO_SUCH_MASTER.test(text)) {
      const what = `${name}: the Sentinels watch no master called "${master}". The name stands at the end of the URL;`
      return problem('config_invalid', `${what} "${ask} MASTERS" lists those that they watch.`)
    }
    if (NO_SENTINEL.test(text)) {
      const what = `${name}: one of ${addresses.join(', ')} is a Redis and no Sentinel. Write the addresses of the Sentinels`
      return problem(
        'config_invalid',
        `${what} (port 26379 unless configured otherwise), or redis://host:port for one server.`,
      )
    }
    if (!OF_A_SENTINEL.test(text) && !OF_ALL.test(text)) return error instanceof Error ? error : new Error(text)
    // Each that is asked in vain is told of by itself: the last failure stands for all.
    if (!OF_ALL.test(text)) last = text.replace(OF_A_SENTINEL, '').slice(0, 120)
    const what = `${name}: ${addresses.length > 1 ? 'its Sentinels do not answer' : 'its Sentinel does not answer'}`
    const check = `Check that they run and that this host reaches their ports: "${ask} GET-MASTER-ADDR-BY-NAME ${master}" must name the master.`
    return problem(
      'engine_unreachable',
      `${what} (${addresses.join(', ')}; the last failure: ${last || text}). ${check}`,
    )
  }
}
