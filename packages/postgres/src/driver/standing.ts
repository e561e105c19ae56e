import type { StoredRecord } from '@millrace/core/driver'

/** A reader that waits for what comes next, or looks whether it is there. */
export interface StandingReader {
  readonly group: string
  /** Where it stands in a partition; undefined where it wants nothing now. */
  placeIn(partition: number): { readonly token: number; readonly after: number } | undefined
  /** Gives it the event that comes next in its partition, for which the mark is stored. It leaves it when it does not wait there any more. */
  bring(record: StoredRecord, seq: number): void
}

/** Who of this process wants what comes next in which topic: what is published here is brought to them and need not be asked for. */
export interface Standing {
  /** From now on it does, until the function given is called. */
  stand(topic: string, reader: StandingReader): () => void
  /** Those who want what comes next in a partition; at most a few, for the marks of all are stored while the topic is locked. */
  at(topic: string, partition: number): readonly Place[]
}

/** A reader and where it stands. */
export interface Place {
  readonly reader: StandingReader
  readonly token: number
  readonly after: number
}

const MOST_READERS = 8

export function createStanding(): Standing {
  const topics = new Map<string, Set<StandingReader>>()
  return {
    stand(topic, reader) {
      const readers = topics.get(topic) ?? new Set()
      topics.set(topic, readers.add(reader))
      return () => {
        readers.delete(reader)
        if (readers.size === 0 && topics.get(topic) === readers) topics.delete(topic)
      }
    },
    at(topic, partition) {
      const places: Place[] = []
      for (const reader of topics.get(topic) ?? []) {
        const place = places.length < MOST_READERS ? reader.placeIn(partition) : undefined
        if (place !== undefined) places.push({ reader, ...place })
      }
      return places
    },
  }
}
