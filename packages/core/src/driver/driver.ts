import type { Runtime } from '../runtime/runtime.ts'
import type { DeadLetterStore } from './dead-letter-store.ts'
import type { InboxStore } from './inbox-store.ts'
import type { LaneStore } from './lane-store.ts'
import type { LeaseStore } from './lease-store.ts'
import type { LogIndex } from './log-index.ts'
import type { OutboxStore } from './outbox-store.ts'
import type { ScheduleStore } from './schedule-store.ts'
import type { SettingStore } from './setting-store.ts'
import type { TaskAdmin } from './task-admin.ts'
import type { TaskStore } from './task-store.ts'
import type { Transport } from './transport.ts'

/** The stores that the bus needs beside a transport. All of them are ready when the transport is connected. */
export interface Stores {
  readonly leases: LeaseStore
  readonly lane: LaneStore
  readonly deadLetters: DeadLetterStore
  readonly index: LogIndex
  /** Only where the engine is an SQL database whose transactions callers can share. */
  readonly outbox?: OutboxStore
  readonly inbox?: InboxStore
  /** Tasks, where the engine keeps them: all four or none. */
  readonly tasks?: TaskStore
  readonly taskAdmin?: TaskAdmin
  readonly schedules?: ScheduleStore
  readonly settings?: SettingStore
}

/** A connected-to engine: its transport and its stores. */
export interface Driver {
  readonly transport: Transport
  readonly stores: Stores
  /** What `doctor` shows: findings about the engine, its settings, its files and its rights. Reads only. */
  diagnose(options?: { readonly verify?: boolean }): Promise<readonly Finding[]>
}

/** One line of a diagnosis. */
export interface Finding {
  readonly check: string
  readonly level: 'fine' | 'notice' | 'problem'
  /** What is the case, and for a problem what to do. */
  readonly text: string
}

/**
 * What an application passes as `engine`: `sqlite('./file.db')`, `memory()`. Opening is left to the backbone, which
 * hands in the runtime; nothing happens before `transport.connect()`.
 */
export interface Engine {
  /** For people and logs, without secrets: `sqlite:./file.db`. */
  readonly name: string
  open(runtime: Runtime): Driver
}
