import { busFailureProperties } from './bus/bus-failures.ts'
import { busLifeProperties } from './bus/bus-life.ts'
import { busOrderProperties } from './bus/bus-order.ts'
import { busReadingProperties } from './bus/bus-reading.ts'
import { busTransactionProperties } from './bus/bus-transactions.ts'
import { deadLetterProperties } from './properties/dead-letters.ts'
import { dedupeProperties } from './properties/dedupe.ts'
import { fetchProperties } from './properties/fetch.ts'
import { groupProperties } from './properties/groups.ts'
import { inboxProperties } from './properties/inbox.ts'
import { lagProperties } from './properties/lag.ts'
import { laneProperties } from './properties/lane.ts'
import { leaseProperties } from './properties/leases.ts'
import { lifecycleProperties } from './properties/lifecycle.ts'
import { memberProperties } from './properties/members.ts'
import { outboxProperties } from './properties/outbox.ts'
import { publishProperties } from './properties/publish.ts'
import { readProperties } from './properties/read.ts'
import { retentionProperties } from './properties/retention.ts'
import { settleProperties } from './properties/settle.ts'
import { workloadProperties } from './properties/workload.ts'
import { addingProperties } from './tasks/adding.ts'
import { boundProperties } from './tasks/bounds.ts'
import { changingProperties } from './tasks/changing.ts'
import { claimingProperties } from './tasks/claiming.ts'
import { taskDedupeProperties } from './tasks/dedupe.ts'
import { endingEarlyProperties } from './tasks/ending-early.ts'
import { flowProperties } from './tasks/flows.ts'
import { keyProperties } from './tasks/keys.ts'
import { lookingProperties } from './tasks/looking.ts'
import { combinedProperties } from './tasks/model/combined.ts'
import { noteAndHintProperties } from './tasks/notes-and-hints.ts'
import { orderAndDelayProperties } from './tasks/order-and-delay.ts'
import { rateAndTurnProperties } from './tasks/rates-and-turns.ts'
import { scheduleProperties } from './tasks/schedules.ts'
import { stormProperties } from './tasks/storm.ts'
import { taskTransactionProperties } from './tasks/task-transactions.ts'
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
  fetch: fetchProperties,
  settle: settleProperties,
  lag: lagProperties,
  lane: laneProperties,
  'dead letters': deadLetterProperties,
  retention: retentionProperties,
  outbox: outboxProperties,
  inbox: inboxProperties,
  workload: workloadProperties,
  'tasks: adding': addingProperties,
  'tasks: bounds': boundProperties,
  'tasks: claiming': claimingProperties,
  'tasks: order and delay': orderAndDelayProperties,
  'tasks: keys': keyProperties,
  'tasks: rates and turns': rateAndTurnProperties,
  'tasks: dedupe': taskDedupeProperties,
  'tasks: ending early': endingEarlyProperties,
  'tasks: flows': flowProperties,
  'tasks: notes and hints': noteAndHintProperties,
  'tasks: looking': lookingProperties,
  'tasks: changing': changingProperties,
  'tasks: schedules and settings': scheduleProperties,
  'tasks: transactions': taskTransactionProperties,
  'tasks: everything at once': combinedProperties,
  'tasks: many at once': stormProperties,
  'bus: order': busOrderProperties,
  'bus: failures': busFailureProperties,
  'bus: life': busLifeProperties,
  'bus: reading': busReadingProperties,
  'bus: transactions': busTransactionProperties,
}

/** All properties in one list. */
export const PROPERTIES: readonly Property[] = Object.values(SUBJECTS).flat()
