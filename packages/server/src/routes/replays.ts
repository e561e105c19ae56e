import { MillraceError, type ReplayOptions } from '@millrace/core'
import { json } from '../reply.ts'
import type { ReplayRun } from '../replay-runs.ts'
import { commandOf, readCommand, type Command } from '../request/command.ts'
import { timeOf } from '../request/time.ts'
import { unqueried } from '../request/unqueried.ts'
import { incomingOf, type Route, type Services } from '../services.ts'

const MEMBERS = ['group', 'topics', 'types', 'key', 'from', 'to', 'rate', 'dryRun']

/** `/v1/replays`: a dry run answers at once; a replay runs on in the background and is watched by its id. */
export function replayRoutes({ settings, replays }: Services): readonly Route[] {
  const { millrace, limits } = settings
  return [
    {
      method: 'POST',
      path: '/v1/replays',
      async handle(context) {
        const command = await readCommand(context.req.raw, { limits, incoming: incomingOf(context), allowed: MEMBERS })
        const options = optionsOf(command)
        if (command.flag('dryRun')) return json(await millrace.replay({ ...options, dryRun: true }))
        const run = await replays.start(options)
        return json(run, 202, { location: `/v1/replays/${run.id}` })
      },
    },
    { method: 'GET', path: '/v1/replays', handle: unqueried(() => json({ replays: replays.list() })) },
    {
      method: 'GET',
      path: '/v1/replays/:id',
      handle: unqueried((context) => json(known(replays.get(context.req.param('id') ?? '')))),
    },
    {
      method: 'DELETE',
      path: '/v1/replays/:id',
      handle: unqueried((context) => json(known(replays.cancel(context.req.param('id') ?? '')), 202)),
    },
  ]
}

function optionsOf(command: Command): ReplayOptions {
  const group = command.string('group')
  if (group === undefined) {
    throw new MillraceError('request_invalid', 'Name the group that is to see the events again.', { path: 'group' })
  }
  const topics = command.strings('topics')
  const types = command.strings('types')
  const key = command.string('key')
  const to = command.time('to')
  const rate = command.amount('rate')
  return {
    group,
    from: startOf(command),
    ...(topics === undefined ? {} : { topics }),
    ...(types === undefined ? {} : { types }),
    ...(key === undefined ? {} : { key }),
    ...(to === undefined ? {} : { to }),
    ...(rate === undefined ? {} : { rate }),
  }
}

function startOf(command: Command): ReplayOptions['from'] {
  const from = command.value('from')
  if (from === 'earliest') return 'earliest'
  if (typeof from === 'string') return timeOf(from, 'from')
  if (from === undefined) {
    throw new MillraceError('request_invalid', "Say where the replay begins: 'earliest', a time, or { cursor }.", {
      path: 'from',
    })
  }
  const cursor = commandOf(from, ['cursor'], 'from').string('cursor')
  if (cursor === undefined)
    throw new MillraceError('request_invalid', 'The cursor is missing.', { path: 'from.cursor' })
  return { cursor }
}

function known(run: ReplayRun | undefined): ReplayRun {
  if (run !== undefined) return run
  throw new MillraceError('not_found', 'There is no replay of this id: it ended long ago, or on another server.', {
    path: 'id',
  })
}
