import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the ports that the system gives to connections: none of these takes the port of a server that is down for a moment. */
const FIRST = 15_000
const LAST = 32_000
const MOST_TRIES = 100

/** A TCP port of the loopback interface that nobody listened to a moment ago. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    const port = randomInt(FIRST, LAST)
    if (await isFree(port)) return port
  }
  throw new Error(`No port between ${FIRST} and ${LAST} was free in ${MOST_TRIES} tries.`)
}

/** Starts on a free port, or on the one that is wanted. Between finding one and taking it somebody else may have it; another is tried then. */
export async function onFreePort<Started>(
  start: (port: number) => Promise<Started>,
  wanted?: number,
  tries = 5,
): Promise<{ readonly server: Started; readonly port: number }> {
  const port = wanted ?? (await freePort())
  try {
    return { server: await start(port), port }
  } catch (error) {
    if (wanted !== undefined || tries <= 1 || !String(error).includes('in use')) throw error
    return onFreePort(start, undefined, tries - 1)
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  try {
    probe.listen(port, '127.0.0.1')
    await once(probe, 'listening')
  } catch {
    return false
  }
  probe.close()
  await once(probe, 'close')
  return true
}
