import { deadLetterProperties } from './properties/dead-letters.ts'
import { dedupeProperties } from './properties/dedupe.ts'
import { groupProperties } from './properties/groups.ts'
import { lagProperties } from './properties/lag.ts'
import { laneProperties } from './properties/lane.ts'
import { leaseProperties } from './properties/leases.ts'
import { lifecycleProperties } from './properties/lifecycle.ts'
import { memberProperties } from './properties/members.ts'
import { publishProperties } from './properties/publish.ts'
import { readProperties } from './properties/read.ts'
import { retentionProperties } from './properties/retention.ts'
import { settleProperties } from './properties/settle.ts'
import { workloadProperties } from './properties/workload.ts'
import type { Property } from './property.ts'

/** All properties by subject, in the order in which a driver is best written. */
export const SUBJECTS: Readonly<Record<string, readonly Property[]>> = {
  lifecycle: lifecycleProperties,
  publish: publishProperties,
  dedupe: dedupeProperties,
  read: readProperties,
  groups: groupProperties,
  members: memberProperties,
  leases: leaseProperties,
  settle: settleProperties,
  lag: lagProperties,
  lane: laneProperties,
  'dead letters': deadLetterProperties,
  retention: retentionProperties,
  workload: workloadProperties,
}

/** All properties in one list. */
export const PROPERTIES: readonly Property[] = Object.values(SUBJECTS).flat()
