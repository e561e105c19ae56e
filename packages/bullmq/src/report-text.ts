import type { QueueCounts } from './queue/survey.ts'
import type { ImportReport } from './report.ts'

/** A report as lines for people. It holds names, ids and counts, and nothing of the data of jobs. */
export function reportText(report: ImportReport): readonly string[] {
  const { queue, dryRun, before, after, moved, resumed, deduplicated, refused, notes } = report
  const all = moved.wait + moved.paused + moved.prioritized + moved.delayed
  return [
    `BullMQ queue ${shown(queue)} (${before.library ?? 'unknown version'}${before.paused ? ', paused' : ''})`,
    '',
    ...table([
      ['', 'before', dryRun ? 'would move' : 'moved', ...(dryRun ? [] : ['after'])],
      ...places(before.counts, after.counts, report).map(([place, there, gone, left]) => [
        place,
        String(there),
        gone === undefined ? '' : String(gone),
        ...(dryRun ? [] : [String(left)]),
      ]),
    ]),
    '',
    `${dryRun ? 'would be tasks' : 'tasks now'}: ${all}${resumed > 0 ? `, ${resumed} of them held by an earlier run` : ''}${deduplicated > 0 ? `, ${deduplicated} not added since a task holds their deduplication key` : ''}`,
    ...section('names', names(report)),
    ...section('schedules', schedules(report)),
    ...section(
      'stays in BullMQ',
      refused.map(({ reason, count, text, ids }) => [
        reason,
        String(count),
        `${shown(text)} (${ids.map(shown).join(', ')})`,
      ]),
    ),
    ...section('samples', samples(report)),
    ...[...notes, ...settingNotes(report)].flatMap((note, at) =>
      at === 0 ? ['', `note: ${note}`] : [`note: ${note}`],
    ),
  ]
}

type Place = readonly [place: string, there: number, moved: number | undefined, left: number]

function places(before: QueueCounts, after: QueueCounts, { moved, schedules }: ImportReport): readonly Place[] {
  const rows: readonly Place[] = [
    ['waiting', before.wait, moved.wait, after.wait],
    ['paused', before.paused, moved.paused, after.paused],
    ['prioritized', before.prioritized, moved.prioritized, after.prioritized],
    ['delayed', before.delayed, moved.delayed, after.delayed],
    ['schedulers', before.schedulers, schedules.length, after.schedulers],
    ['waiting for children', before.waitingChildren, undefined, after.waitingChildren],
    ['running', before.active, undefined, after.active],
    ['completed', before.completed, undefined, after.completed],
    ['failed', before.failed, undefined, after.failed],
    ['held by the bridge', before.held, undefined, after.held],
  ]
  return rows.filter(([, there, gone = 0, left]) => there + gone + left > 0)
}

function names({ names: all }: ImportReport): readonly (readonly string[])[] {
  if (all.length === 0) return []
  return [
    ['job', 'task', 'queue', 'jobs'],
    ...all.map(({ name, task, queue, count }) => [shown(name), task, queue, String(count)]),
  ]
}

function schedules({ schedules: all }: ImportReport): readonly (readonly string[])[] {
  if (all.length === 0) return []
  return [
    ['scheduler', 'schedule', 'task', 'rule'],
    ...all.map(({ scheduler, schedule, task, rule }) => [
      shown(scheduler),
      schedule ?? '(ends with its pending run)',
      task ?? '',
      rule ?? '',
    ]),
  ]
}

function samples({ dryRun, samples: all }: ImportReport): readonly (readonly string[])[] {
  if (!dryRun || all.length === 0) return []
  return [
    ['job', 'task', 'id', 'priority', 'delay', 'attempts'],
    ...all.map(({ job, task, id, priority, delayMs, attempts }) => [
      shown(job),
      task,
      shown(id),
      String(priority),
      `${delayMs} ms`,
      String(attempts),
    ]),
  ]
}

function settingNotes({ before: { concurrency, rateLimit, counts } }: ImportReport): readonly string[] {
  return [
    ...(concurrency === undefined
      ? []
      : [`BullMQ lets ${concurrency} run at once in all: defineQueue(…, { concurrency: ${concurrency} }).`]),
    ...(rateLimit === undefined
      ? []
      : [
          `BullMQ starts ${rateLimit.limit} in ${rateLimit.per} ms: defineQueue(…, { rateLimit: { limit: ${rateLimit.limit}, per: ${rateLimit.per} } }).`,
        ]),
    ...(counts.active === 0
      ? []
      : ['what runs is left to the workers of BullMQ; let them finish, then run this again.']),
    ...(counts.completed + counts.failed === 0 ? [] : ['what has ended is history and stays in Redis.']),
  ]
}

function section(title: string, rows: readonly (readonly string[])[]): readonly string[] {
  return rows.length === 0 ? [] : ['', title, ...table(rows).map((line) => `  ${line}`)]
}

function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = []
  for (const row of rows) for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length)
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** Names of jobs are anybody's text: what would move the cursor is shown as a dot. */
function shown(text: string): string {
  return text.slice(0, 300).replaceAll(/\p{Cc}/gu, '·')
}
