import type { DeadLetter, DeadLetterStore } from '../driver/dead-letter-store.ts'

const MARK = 'transport:'

/**
 * The dead letters of a log and of the transport that it feeds as one store: those of the log first. Ids of the transport's carry a
 * mark. Letters are written by the bus of each side, never through this one.
 */
export function joinDeadLetters(log: DeadLetterStore, fed: DeadLetterStore): DeadLetterStore {
  function sidesOf(ids: readonly string[]): readonly [ofLog: string[], ofFed: string[]] {
    const ofFed = ids.filter((id) => id.startsWith(MARK)).map((id) => id.slice(MARK.length))
    return [ids.filter((id) => !id.startsWith(MARK)), ofFed]
  }

  async function onBoth(
    ids: readonly string[],
    change: (store: DeadLetterStore, ids: readonly string[]) => Promise<readonly string[]>,
  ): Promise<readonly string[]> {
    const [ofLog, ofFed] = sidesOf(ids)
    const changed = ofLog.length === 0 ? [] : await change(log, ofLog)
    const changedFed = ofFed.length === 0 ? [] : await change(fed, ofFed)
    return [...changed, ...changedFed.map((id) => `${MARK}${id}`)]
  }

  return {
    put: (letters, token, options) => log.put(letters, token, options),
    among: (place, positions) => log.among(place, positions),
    async list({ after, ...query }) {
      const isPastLog = after?.startsWith(MARK) === true
      const ofLog = isPastLog ? [] : await log.list({ ...query, ...(after === undefined ? {} : { after }) })
      const limit = query.limit - ofLog.length
      if (limit <= 0) return ofLog
      const ofFed = await fed.list({ ...query, limit, ...(isPastLog ? { after: after.slice(MARK.length) } : {}) })
      return [...ofLog, ...ofFed.map(marked)]
    },
    async get(id) {
      if (!id.startsWith(MARK)) return log.get(id)
      const letter = await fed.get(id.slice(MARK.length))
      return letter === undefined ? undefined : marked(letter)
    },
    counts: async (query) => [...(await log.counts(query)), ...(await fed.counts(query))],
    requeue: (ids, options) => onBoth(ids, (store, own) => store.requeue(own, options)),
    discard: (ids) => onBoth(ids, (store, own) => store.discard(own)),
  }
}

function marked(letter: DeadLetter): DeadLetter {
  return { ...letter, id: `${MARK}${letter.id}` }
}
