import { MillraceError } from '@millrace/core'
import { json } from '../reply.ts'
import { readQuery } from '../request/query.ts'
import type { Route, Services } from '../services.ts'

/** `GET /v1/topics`, `/v1/groups`, and one of each. */
export function topicRoutes({ settings: { millrace } }: Services): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/topics',
      async handle(context) {
        readQuery(context.req.raw.url, [])
        return json({ topics: await millrace.topics() })
      },
    },
    {
      method: 'GET',
      path: '/v1/topics/:topic',
      async handle(context) {
        readQuery(context.req.raw.url, [])
        const name = context.req.param('topic') ?? ''
        const topic = (await millrace.topics()).find((candidate) => candidate.topic === name)
        if (topic === undefined)
          throw new MillraceError('topic_unknown', 'There is no topic of this name.', { path: 'topic' })
        return json(topic)
      },
    },
    {
      method: 'GET',
      path: '/v1/groups',
      async handle(context) {
        readQuery(context.req.raw.url, [])
        return json({ groups: await millrace.groups() })
      },
    },
    {
      method: 'GET',
      path: '/v1/groups/:group',
      async handle(context) {
        readQuery(context.req.raw.url, [])
        const name = context.req.param('group') ?? ''
        const group = (await millrace.groups()).find((candidate) => candidate.group === name)
        if (group === undefined)
          throw new MillraceError('group_unknown', 'There is no group of this name.', { path: 'group' })
        return json(group)
      },
    },
  ]
}
