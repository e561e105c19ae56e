import { expect, it } from 'vitest'
import { z } from 'zod'
import { defineTask } from '../../src/index.ts'
import { openShop } from './shop.ts'

const Mail = defineTask('mail', { input: z.object({ to: z.string(), n: z.number() }), attempts: 1 })
const Bill = defineTask('bill', { input: z.object({ to: z.string(), n: z.number() }) })
const conflict = { code: 'task_conflict', retriable: false, path: 'id' }

it('takes the same task again under its id, whatever its options and the order of its members', async () => {
  const { millrace, settle } = openShop()
  const first = await settle(millrace.enqueue(Mail, { to: 'ann', n: 1 }, { id: 'a' }))
  const again = { id: 'a', priority: 'high', delay: 5_000, metadata: { userId: 'u' } } as const
  expect((await settle(millrace.enqueue(Mail, { n: 1, to: 'ann' }, again))).id).toBe(first.id)
  expect(await settle(millrace.tasks.get('a'))).toMatchObject({ state: 'ready', input: { to: 'ann', n: 1 } })
})

it('refuses another input or another name under an id that is taken, also by a task that has ended', async () => {
  const { millrace, settle } = openShop()
  await settle(millrace.enqueue(Mail, { to: 'ann', n: 1 }, { id: 'a' }))
  const others = [
    millrace.enqueue(Mail, { to: 'ann', n: 2 }, { id: 'a' }),
    millrace.enqueue(Bill, { to: 'ann', n: 1 }, { id: 'a' }),
    millrace.tasks.add('mail', { to: 'bob', n: 1 }, { id: 'a' }),
  ]
  const ends = await settle(Promise.allSettled(others))
  for (const end of ends) expect(end).toMatchObject({ status: 'rejected', reason: conflict })
  expect(String((ends[0] as PromiseRejectedResult).reason)).not.toContain('ann')
  expect((ends[1] as PromiseRejectedResult).reason).toMatchObject({ facts: { id: 'a', task: 'bill', takenBy: 'mail' } })
  await settle(millrace.work(Mail, () => undefined))
  await settle(millrace.tasks.result('a'))
  await expect(settle(millrace.enqueue(Mail, { to: 'bob', n: 3 }, { id: 'a' }))).rejects.toMatchObject(conflict)
  await settle(millrace.tasks.discard(['a']))
  await settle(millrace.enqueue(Mail, { to: 'bob', n: 3 }, { id: 'a' }))
})

it('lets the neighbours of a conflict in', async () => {
  const { millrace, settle } = openShop()
  await settle(millrace.enqueue(Mail, { to: 'ann', n: 1 }, { id: 'a' }))
  const [good, bad] = await settle(
    Promise.allSettled([
      millrace.enqueue(Mail, { to: 'bob', n: 1 }, { id: 'b' }),
      millrace.enqueue(Mail, { to: 'bob', n: 1 }, { id: 'a' }),
    ]),
  )
  expect([good.status, bad.status]).toEqual(['fulfilled', 'rejected'])
})

it('does not take a holder that was replaced, or an input that was edited, for another task', async () => {
  const { millrace, settle } = openShop()
  const dedupe = { key: 'd', mode: 'replace' } as const
  await settle(millrace.enqueue(Mail, { to: 'ann', n: 1 }, { id: 'a', dedupe }))
  const second = await settle(millrace.enqueue(Mail, { to: 'ann', n: 2 }, { id: 'b', dedupe }))
  expect(second).toMatchObject({ id: 'a', deduplicated: true })
  await settle(millrace.enqueue(Mail, { to: 'ann', n: 1 }, { id: 'a', dedupe }))
  await settle(
    millrace.work(Mail, (mail) => {
      if (mail.n === 2) throw new Error('no')
    }),
  )
  await expect(settle(millrace.tasks.result('a'))).rejects.toMatchObject({ code: 'task_failed' })
  const [letter] = await settle(millrace.deadLetters.list({ group: 'queue:mail' }))
  await settle(millrace.deadLetters.edit(letter?.id ?? '', { to: 'ann', n: 7 }))
  await settle(millrace.enqueue(Mail, { to: 'ann', n: 1 }, { id: 'a' }))
})

it('adds nothing of a flow of which an id is that of another task', async () => {
  const { millrace, settle } = openShop()
  const input = { to: 'ann', n: 1 }
  await settle(millrace.enqueue(Mail, input, { id: 'a' }))
  const flow = (n: number) => ({
    task: Bill,
    input,
    options: { id: 'root' },
    children: [
      { task: Mail, input: { to: 'ann', n }, options: { id: 'a' } },
      { task: Mail, input },
    ],
  })
  await expect(settle(millrace.enqueueFlow(flow(2)))).rejects.toMatchObject(conflict)
  expect((await settle(millrace.tasks.list())).map(({ id }) => id)).toEqual(['a'])
  await settle(millrace.enqueueFlow(flow(1)))
  await settle(millrace.enqueueFlow(flow(1)))
  await expect(settle(millrace.enqueueFlow({ ...flow(1), input: { to: 'bob', n: 1 } }))).rejects.toMatchObject(conflict)
})
