import type { Driver } from '@millrace/core/driver'
import { GROUPS } from './events.ts'

/** How many events are still to be handled, by all groups together; what is parked is not counted. */
export async function backlogOf(driver: Driver): Promise<number> {
  return (await groupsOf(driver)).reduce((sum, { lag, waiting }) => sum + lag + waiting, 0)
}

/** Each group with its lag and what waits in its lane, without what is parked behind a dead letter. */
export async function groupsOf({
  transport,
  stores,
}: Driver): Promise<readonly { readonly group: string; readonly lag: number; readonly waiting: number }[]> {
  const state = []
  for (const { group, events } of GROUPS) {
    let lag = 0
    for (const topic of new Set(events.map((definition) => definition.topic))) {
      for (const partition of await transport.lag(topic, group)) lag += partition.lag
    }
    const { waiting, parked } = await stores.lane.counts(group)
    state.push({ group, lag, waiting: waiting - parked })
  }
  return state
}
