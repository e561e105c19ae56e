import { MillraceError } from '@millrace/core/driver'
import type { Connection } from '../client/connection.ts'
import { groupField } from '../log/registry.ts'
import { FORGET_PLACES, REMOVE_GROUP } from '../scripts/removal.ts'

/** Removes a group with its progress, leases, members, side lane and dead letters. Throws `group_unknown`. */
export async function removeGroup(
  redis: Connection,
  group: string,
  topics: readonly string[] | undefined,
): Promise<void> {
  if (topics === undefined) {
    throw new MillraceError('group_unknown', `The group "${group}" does not exist. Subscribe with it first.`)
  }
  const keys = redis.keys.group(group)
  const { lanePrefix, ...named } = keys
  await redis.run(REMOVE_GROUP, Object.values(named), [lanePrefix])
  const fields = topics.map((topic) => groupField(group, topic))
  await redis.call(['HDEL', redis.keys.groups, ...fields], redis.keys.groups)
}

/** Forgets what a group knows of a topic; its dead letters stay. */
export async function forgetTopic(redis: Connection, group: string, places: readonly string[]): Promise<void> {
  const { leases, progress, marks, lane, laneIds, lanePrefix } = redis.keys.group(group)
  await redis.run(FORGET_PLACES, [leases, progress, lane, laneIds, marks], [lanePrefix, ...places])
}
