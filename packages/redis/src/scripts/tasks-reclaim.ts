import { script, type Script } from '../client/script.ts'
import { TASKS } from './tasks-enqueue.ts'
import { ROWS } from './tasks-rows.ts'

/** Takes tasks of a worker that is gone. ARGV channel, worker, crashes that end a task, error, how many at most. Gives how many were taken. */
export const RECLAIM_TASKS: Script = script(
  'reclaim-tasks',
  `${TASKS}${String.raw`
local worker, dead_after, error, most = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
call('UNLINK', KEYS[2])
local taken = 0
for _, field in ipairs(call('HKEYS', BASE .. 'holders')) do
  if sub(field, 1, #worker + 1) == worker .. '\n' and taken < most then
    local held = still_held(worker, sub(field, #worker + 2))
    for index = 1, min(#held, most - taken) do
      local task = held[index]
      task[CRASHES] = task[CRASHES] + 1
      taken = taken + 1
      if task[CANCELLING] == 1 then end_task(task, CANCELLED)
      elseif task[CRASHES] >= dead_after then end_task(task, DEAD, error)
      else
        detach(task)
        arrive(task)
      end
    end
    if #held == 0 then
      call('HDEL', BASE .. 'holders', field)
      call('UNLINK', BASE .. 'claim:' .. field)
    end
  end
end
if taken == 0 then call('UNLINK', BASE .. 'cancels:' .. worker) call('HDEL', BASE .. 'rounds', worker) end
finish()
return taken
`}`,
)

/** Workers that hold tasks. */
export const HOLDERS: Script = script(
  'holders',
  `
local workers, seen = {}, {}
for _, field in ipairs(redis.call('HKEYS', KEYS[1] .. 'holders')) do
  local worker = string.match(field, '^[^\\n]*')
  if not seen[worker] then
    seen[worker] = true
    workers[#workers + 1] = worker
  end
end
return workers
`,
)

/** What runs under claims of a worker. ARGV channel, worker. Gives id and start in turn. */
export const RUNNING: Script = script(
  'running-tasks',
  `${ROWS}${String.raw`
local worker, found = ARGV[2], {}
for _, field in ipairs(call('HKEYS', BASE .. 'holders')) do
  if sub(field, 1, #worker + 1) == worker .. '\n' then
    for _, task in ipairs(still_held(worker, sub(field, #worker + 2))) do
      found[#found + 1] = task[ID]
      found[#found + 1] = text[task[STARTS]]
    end
  end
end
return found
`}`,
)
