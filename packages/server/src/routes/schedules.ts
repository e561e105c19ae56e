import { MillraceError, type ScheduleOptions, type ScheduleRule } from '@millrace/core'
import type { Context } from 'hono'
import { json } from '../reply.ts'
import { readCommand, type Command } from '../request/command.ts'
import { readQuery } from '../request/query.ts'
import { present } from '../request/selection.ts'
import { unqueried } from '../request/unqueried.ts'
import { incomingOf, type Env, type Route, type Services } from '../services.ts'

const RULES = ['cron', 'timeZone', 'every', 'from', 'at'] as const
const OPTIONS = ['task', 'input', 'options', 'missed', 'starts', 'ends', 'limit', 'noOverlap'] as const

/** `/v1/schedules`: store, list, show, look ahead, pause, resume, run now, skip the next, remove. */
export function scheduleRoutes(services: Services): readonly Route[] {
  const { schedules } = services.settings.millrace
  const read = (context: Context<Env>, allowed: readonly string[]): Promise<Command> =>
    readCommand(context.req.raw, { limits: services.settings.limits, incoming: incomingOf(context), allowed })

  const acts = (['pause', 'resume', 'skipNext', 'runNow'] as const).map((act): Route => ({
    method: 'POST',
    path: `/v1/schedules/:name/${act === 'skipNext' ? 'skip' : act === 'runNow' ? 'run' : act}`,
    async handle(context) {
      await read(context, [])
      return json(await schedules[act](nameOf(context)))
    },
  }))

  return [
    {
      method: 'GET',
      path: '/v1/schedules',
      async handle(context) {
        const query = readQuery(context.req.raw.url, ['after', 'limit'])
        const limit = query.integer('limit', { min: 1, max: 1_000 }) ?? 100
        const found = await schedules.list(present({ after: query.one('after'), limit }))
        return json({ schedules: found, next: found.length < limit ? undefined : found.at(-1)?.name })
      },
    },
    {
      method: 'POST',
      path: '/v1/schedules',
      async handle(context) {
        const command = await read(context, ['name', ...RULES, ...OPTIONS])
        const name = command.string('name')
        if (name === undefined)
          throw new MillraceError('request_invalid', 'The member name is missing.', { path: 'name' })
        return json(await schedules.put(name, ruleOf(command), optionsOf(command)))
      },
    },
    {
      method: 'GET',
      path: '/v1/schedules/:name',
      handle: unqueried(async (context) => json(await schedules.get(nameOf(context)))),
    },
    {
      method: 'GET',
      path: '/v1/schedules/:name/next',
      async handle(context) {
        const count = readQuery(context.req.raw.url, ['count']).integer('count', { min: 1, max: 100 })
        return json({ next: await schedules.next(nameOf(context), count) })
      },
    },
    ...acts,
    {
      method: 'DELETE',
      path: '/v1/schedules/:name',
      async handle(context) {
        readQuery(context.req.raw.url, [])
        await schedules.remove(nameOf(context))
        return new Response(null, { status: 204 })
      },
    },
  ]
}

/** What is wrong with a rule is said by the backbone, by its path. */
function ruleOf(command: Command): ScheduleRule {
  const rule = present({
    cron: command.string('cron'),
    timeZone: command.string('timeZone'),
    every: command.amount('every'),
    from: command.time('from'),
    at: command.time('at'),
  })
  return rule as ScheduleRule
}

function optionsOf(command: Command): ScheduleOptions {
  const task = command.string('task')
  if (task === undefined) throw new MillraceError('request_invalid', 'The member task is missing.', { path: 'task' })
  const given = present({
    input: command.value('input'),
    options: command.value('options') as ScheduleOptions['options'],
    missed: command.string('missed') as ScheduleOptions['missed'],
    starts: command.time('starts'),
    ends: command.time('ends'),
    limit: command.amount('limit'),
  })
  return {
    task,
    ...(given as Omit<ScheduleOptions, 'task'>),
    ...(command.flag('noOverlap') ? { noOverlap: true } : {}),
  }
}

function nameOf(context: Context<Env>): string {
  return context.req.param('name') ?? ''
}
