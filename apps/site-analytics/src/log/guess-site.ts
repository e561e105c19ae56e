import { plain } from '../addresses.ts'
import { readCombinedLine } from './combined-line.ts'
import { resourceKind } from './log-event.ts'
import { readLines } from './read-lines.ts'

const LOOKED_AT = 2_000
const FROM_OWN_PAGES = new Set(['image', 'style', 'script', 'font'])

/**
 * The site that a log is of: the combined format does not say it, but images and styles are asked for by a site's own
 * pages. Looks at the first 2,000 lines only, so that a log that has grown gives the same answer.
 */
export async function guessSite(path: string, now: number): Promise<string | undefined> {
  const votes = new Map<string, number>()
  let lines = 0
  for await (const bunch of readLines(path)) {
    for (const { text } of bunch) {
      lines += 1
      if (lines > LOOKED_AT) break
      const request = readCombinedLine(text, now)
      if ('reason' in request || request.referrer === undefined || !URL.canParse(request.referrer)) continue
      const kind = resourceKind(request)
      if (kind === undefined || !FROM_OWN_PAGES.has(kind)) continue
      const host = plain(new URL(request.referrer).hostname)
      if (host !== '') votes.set(host, (votes.get(host) ?? 0) + 1)
    }
    if (lines > LOOKED_AT) break
  }
  return [...votes].sort((a, b) => b[1] - a[1])[0]?.[0]
}
