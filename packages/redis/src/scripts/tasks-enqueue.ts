import { script, type Script } from '../client/script.ts'
import { ADDING, ROOM } from './tasks-adding.ts'
import { ENDING } from './tasks-ending.ts'
import { PLACES } from './tasks-places.ts'
import { ROWS } from './tasks-rows.ts'

/** What scripts that change tasks begin with. */
export const TASKS: string = ROWS + PLACES + ENDING

/** Those of some queues that take no more tasks. ARGV channel, queues. */
export const FULL_QUEUES: Script = script(
  'full-queues',
  `${ROWS}${ROOM}
local full = {}
for index = 2, #ARGV do
  if room_in(ARGV[index]) == 0 then full[#full + 1] = ARGV[index] end
end
return full
`,
)

/**
 * Adds tasks. ARGV channel, then as `add_tasks` takes them. Gives those that were not added: index and id of the holder of the dedupe key; or index, id, name
 * and body of what has the id; or the index of what found its queue full.
 */
export const ENQUEUE_TASKS: Script = script(
  'enqueue-tasks',
  `${TASKS}${ADDING}
local odd = add_tasks(2)
finish()
return odd
`,
)
