import type { Millrace, Runtime } from '@millrace/core'
import type { Database } from './database.ts'
import type { GroupCommit } from './group-commit.ts'

/** What a projection works with. */
export interface ReadModelServices {
  readonly millrace: Millrace
  readonly runtime: Runtime
  readonly database: Database
  readonly commit: GroupCommit
}
