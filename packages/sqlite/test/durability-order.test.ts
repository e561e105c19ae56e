import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startChild } from './child.ts'
import { scratchFolder } from './scratch.ts'

const canTrace = spawnSync('strace', ['-V']).status === 0
if (!canTrace) process.stderr.write('SKIPPED: strace is missing, so the order of fsync and reply is not proven here.\n')

/** What happened between two replies: writes to the log, and syncs of it that had ended. */
async function traceReplies(synchronous: 'full' | 'normal'): Promise<{ writes: number; syncs: number }[]> {
  const folder = scratchFolder()
  const trace = join(folder, 'trace')
  const child = startChild('publish-then-say.ts', [join(folder, 'events.db'), synchronous], {
    before: ['strace', '-f', '-y', '-o', trace, '-e', 'trace=write,pwrite64,fsync,fdatasync'],
  })
  expect(await child.ended).toBe(0)
  const replies: { writes: number; syncs: number }[] = []
  let writes = 0
  let syncs = 0
  let syncing = new Set<string>()
  for (const line of readFileSync(trace, 'utf8').split('\n')) {
    const thread = line.split(' ', 1)[0] ?? ''
    if (line.includes('MARK ')) {
      if (line.includes('MARK stored')) replies.push({ writes, syncs })
      writes = 0
      syncs = 0
      syncing = new Set()
    } else if (line.includes('pwrite64(') && line.includes('-wal>')) writes += 1
    else if (/ (fsync|fdatasync)\(.*-wal>/.test(line)) {
      if (line.endsWith('= 0')) syncs += 1
      else syncing.add(thread)
    } else if (/<\.\.\. (fsync|fdatasync) resumed>.*= 0$/.test(line) && syncing.delete(thread)) syncs += 1
  }
  return replies
}

test.runIf(canTrace)('synchronous=full: the log is written and synced before each reply', async () => {
  const replies = await traceReplies('full')
  expect(replies).toHaveLength(5)
  for (const reply of replies) {
    expect(reply.writes).toBeGreaterThan(0)
    expect(reply.syncs).toBeGreaterThan(0)
  }
})

test.runIf(canTrace)('synchronous=normal: written but not synced, as the durability says', async () => {
  const replies = await traceReplies('normal')
  expect(replies).toHaveLength(5)
  for (const reply of replies) expect(reply.writes).toBeGreaterThan(0)
  expect(replies.reduce((sum, { syncs }) => sum + syncs, 0)).toBe(0)
})
