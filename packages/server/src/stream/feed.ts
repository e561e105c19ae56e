import { isMillraceError, type FollowedChunk, type Runtime } from '@millrace/core'
import type { ServerLimits, ServerTimeouts } from '../options.ts'
import { asMillraceError, problemOf } from '../problem.ts'
import { eventFrameText, frameText, heartbeatText } from './frame.ts'
import type { Outlet } from './outlet.ts'

/** What a feed runs with. */
export interface FeedOptions {
  readonly runtime: Runtime
  readonly limits: Pick<ServerLimits, 'streamBufferBytes'>
  readonly timeouts: Pick<ServerTimeouts, 'heartbeatMs' | 'slowClientMs'>
}

/** Frames are written together up to about this much, which is cheaper than one by one. */
const WRITTEN_CHARACTERS = 16 * 1024

/**
 * Sends what a following brings to a client until either ends. A client that leaves more than the buffer untaken has
 * `slowClientMs` to catch up: meanwhile nothing is read for it, so the log is its queue; then it is dropped with a last `dropped` frame.
 */
export async function runFeed(
  first: FollowedChunk,
  rest: AsyncIterator<FollowedChunk>,
  outlet: Outlet,
  { runtime, limits, timeouts }: FeedOptions,
): Promise<void> {
  let cursor = first.cursor
  outlet.write(beginText(first))
  const stopHeartbeat = every(runtime, timeouts.heartbeatMs, () => {
    if (outlet.waiting === 0) outlet.write(heartbeatText(cursor))
  })
  try {
    for (;;) {
      const { done, value } = await rest.next()
      if (done === true || outlet.gone.aborted) break
      if (!value.recovered) outlet.write(beginText(value))
      let text = ''
      for (const stored of value.texts) {
        text += eventFrameText(stored)
        if (text.length < WRITTEN_CHARACTERS && stored !== value.texts.at(-1)) continue
        outlet.write(text)
        text = ''
        cursor = stored.cursor
        if (outlet.waiting <= limits.streamBufferBytes) continue
        if (await outlet.drained(timeouts.slowClientMs)) continue
        outlet.end(droppedText(limits.streamBufferBytes))
        return
      }
      cursor = value.cursor
    }
  } catch (error) {
    if (!isMillraceError(error, 'aborted')) outlet.end(endText(error), { keepWaiting: true })
  } finally {
    stopHeartbeat()
    await rest.return?.()
  }
}

/** The last frame of a stream that the server ends because it stops. */
export function stoppingText(): string {
  return frameText({
    event: 'end',
    data: JSON.stringify({ code: 'closed', detail: 'The server is stopping. Connect again to go on from here.' }),
  })
}

function beginText({ cursor, recovered }: FollowedChunk): string {
  return `retry: 2000\n${frameText({ event: 'begin', id: cursor, data: JSON.stringify({ cursor, recovered }) })}`
}

/** Without an id: the client's last one is that of the last event that it has taken, and it resumes there. */
function droppedText(bytes: number): string {
  const detail = `More than ${bytes} bytes waited and were not taken in time. Connect again to go on from the last event received.`
  return frameText({ event: 'dropped', data: JSON.stringify({ code: 'overloaded', detail }) })
}

function endText(error: unknown): string {
  const { code, detail } = problemOf(asMillraceError(error))
  return frameText({ event: 'end', data: JSON.stringify({ code, detail }) })
}

function every(runtime: Runtime, ms: number, run: () => void): () => void {
  let timer = runtime.setTimer(tick, ms)
  function tick(): void {
    run()
    timer = runtime.setTimer(tick, ms)
  }
  return () => timer.cancel()
}
