import type { Driver } from '@millrace/core/driver'
import type { FinalEvent, FinalState } from '@millrace/core/testing'
import { GROUPS, TOPICS } from './events.ts'

/** Reads what the engine holds, through its port. */
export async function readFinalState({ transport, stores }: Driver): Promise<FinalState> {
  const events: FinalEvent[] = []
  for (const topic of Object.keys(TOPICS)) events.push(...(await readTopic(topic)))
  const letters = []
  for (let after: string | undefined; ;) {
    const page = await stores.deadLetters.list({ limit: 1_000, ...(after === undefined ? {} : { after }) })
    after = page.at(-1)?.id
    if (after === undefined) break
    for (const { group, topic, partition, position, record, attempts, code } of page) {
      letters.push({ group, id: record.id, topic, partition, position, body: record.body, attempts, code })
    }
  }
  const groups = []
  for (const { group, events: definitions, ordering, attempts } of GROUPS) {
    let lag = 0
    for (const topic of new Set(definitions.map((definition) => definition.topic))) {
      for (const partition of await transport.lag(topic, group)) lag += partition.lag
    }
    const { waiting } = await stores.lane.counts(group)
    groups.push({ group, types: definitions.map(({ type }) => type), ordering, attempts, lag, waiting })
  }
  return { events, letters, groups }

  async function readTopic(topic: string): Promise<readonly FinalEvent[]> {
    const read: FinalEvent[] = []
    const after = new Map<number, string>()
    for (;;) {
      const places = [...after].map(([partition, position]) => ({ partition, position }))
      const page = await transport.read({ topic, limit: 5_000, after: places })
      if (page.length === 0) return read
      for (const record of page) after.set(record.partition, record.position)
      read.push(...page)
    }
  }
}
