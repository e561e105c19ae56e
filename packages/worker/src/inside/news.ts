import type { PlainProgress } from '../pool/messages.ts'

const NEWS_EVERY_MS = 50
const MOST_LINES = 1_000
const LONGEST_LINE = 4_096

/** What a handler says of itself, gathered so that one that talks all the time costs its worker little. */
export interface News {
  progress(report: PlainProgress): void
  log(line: string): void
  /** Sends what is left. */
  flush(): void
}

/** News that are sent at most every 50 ms. A handler that computes without a pause is heard too: it sends as it speaks. */
export function createNews(send: (progress: PlainProgress | undefined, log: readonly string[]) => void): News {
  let progress: PlainProgress | undefined
  let log: string[] = []
  let sentAt = -Infinity
  let timer: NodeJS.Timeout | undefined

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    if (progress === undefined && log.length === 0) return
    sentAt = performance.now()
    send(progress, log)
    progress = undefined
    log = []
  }

  function later(): void {
    if (performance.now() - sentAt >= NEWS_EVERY_MS) flush()
    else timer ??= setTimeout(flush, NEWS_EVERY_MS).unref()
  }

  return {
    progress(report) {
      progress = { ...progress, ...cleaned(report) }
      later()
    },
    log(line) {
      log.push(String(line).slice(0, LONGEST_LINE))
      if (log.length > MOST_LINES) log.shift()
      later()
    },
    flush,
  }
}

/** Only what a report may hold: whatever else a handler puts in might not travel. */
function cleaned(report: PlainProgress): PlainProgress {
  const { done, total, stage, message } = report
  return {
    ...(typeof done === 'number' && { done }),
    ...(typeof total === 'number' && { total }),
    ...(typeof stage === 'string' && { stage }),
    ...(typeof message === 'string' && { message }),
  }
}
