import type { Connection } from '../client/connection.ts'
import { unreadFloors } from '../groups/floors.ts'
import type { Registry, Topic } from './registry.ts'
import { readStates } from './states.ts'

/** How many events and bytes a topic may still take. */
export interface Room {
  readonly events: number
  readonly bytes: number
}

export const UNLIMITED: Room = { events: Infinity, bytes: Infinity }

/**
 * How much a topic may still take: everything, unless unread events alone fill it to its hard cap. Several processes
 * that publish at once may go over it by what they have under way.
 */
export async function roomOf(redis: Connection, registry: Registry, topic: Topic): Promise<Room> {
  const { maxEvents = Infinity, maxBytes = Infinity, whenUnread = 'keep' } = topic.retention
  if (whenUnread === 'expire') return UNLIMITED
  const [states = []] = await readStates(redis, [topic])
  const floors = await unreadFloors(redis, registry, topic)
  let events = maxEvents
  let bytes = maxBytes
  for (const { partition, n, trimmed, bytes: held } of states) {
    const floor = Math.max(trimmed, floors[partition]?.n ?? n)
    const unread = Math.max(0, n - floor)
    events -= unread
    // Bodies of a partition are taken for equally long: reading them all would cost more than the cap is worth.
    bytes -= unread === 0 ? 0 : (held * unread) / Math.max(1, n - trimmed)
  }
  if (bytes > 0 && events === maxEvents) return { events, bytes: Infinity }
  return { events, bytes: Math.floor(bytes) }
}
