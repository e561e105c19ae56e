import { join } from 'node:path'
import { createMillrace } from '@millrace/core'
import { waitFor } from '@millrace/core/testing'
import { sqlite } from '@millrace/sqlite'
import { expect, test } from 'vitest'
import { json, millrace, project, SHOP, type Ran } from './command.ts'

test('handles, traces, mends, requeues, discards and replays', async () => {
  const cwd = project(SHOP)
  const input = [1, 500, 600, 700].map((total) => JSON.stringify({ orderId: `o-${total}`, total })).join('\n')
  await millrace(['publish', 'order.placed'], { cwd, input })
  const worked = await workUntil(cwd, { handled: 1, deadLetters: 3 })
  expect(worked).toMatchObject({ code: 0, stdout: 'ready\n' })

  const groups = await json(['groups'], { cwd })
  expect(groups).toMatchObject([{ group: 'receipts', lag: 0, deadLetters: 3, filter: ['order.placed'] }])
  expect((await millrace(['lag', 'reciepts'], { cwd })).stderr).toContain('Did you mean receipts?')
  expect(await json(['lag', 'receipts', '--all'], { cwd })).toContainEqual(
    expect.objectContaining({ group: 'receipts', topic: 'order', lag: 0 }),
  )

  const listed = await millrace(['dlq', 'ls'], { cwd })
  expect(listed.stdout).toContain('too \\x1b[31mmuch\\u202e')
  const letters = await json<readonly Letter[]>(['dlq', 'ls', '--type', 'order.placed'], { cwd })
  const [first, second] = letters.filter((letter) => letter.event.data.total < 700)
  if (first === undefined || second === undefined) throw new Error('Two dead letters are missing.')
  const [grouped] = await json<readonly { fingerprint: string }[]>(['dlq', 'ls', '--grouped'], { cwd })
  expect(grouped).toMatchObject({ group: 'receipts', count: 3 })
  const shown = await millrace(['dlq', 'show', first.id], { cwd })
  expect(shown.stdout).toMatch(/error +handler_rejected: too/)
  expect((await millrace(['dlq', 'show', 'nothing'], { cwd })).code).toBe(1)

  const trace = await millrace(['trace', first.eventId], { cwd })
  expect(trace.stdout).toMatch(/└─ order\.placed {2}\+0 ms .*\n +✗ receipts: handler_rejected: /)
  const { events } = await json<{ events: readonly { id: string }[] }>(['read', '--type', 'mail.sent'], { cwd })
  const flow = await json<{ events: unknown }>(['trace', events[0]?.id ?? ''], { cwd })
  expect(flow.events).toMatchObject([{ type: 'order.placed', causes: [{ type: 'mail.sent', causes: [] }] }])

  expect(await millrace(['dlq', 'requeue'], { cwd })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--all'),
  })
  expect((await millrace(['dlq', 'discard', first.id, '--all'], { cwd })).code).toBe(2)
  const dry = await json(['dlq', 'requeue', '--fingerprint', grouped?.fingerprint ?? '', '--dry-run'], { cwd })
  expect(dry).toMatchObject({ dryRun: true, ids: { length: 3 } })
  expect((await millrace(['dlq', 'edit', first.id, '{"orderId":7}'], { cwd })).stderr).toContain('data.orderId')
  expect((await millrace(['dlq', 'edit', first.id, '{"orderId":"o-5","total":5}'], { cwd })).stdout).toMatch(
    /^requeued with new data/,
  )
  expect((await millrace(['dlq', 'discard', second.id], { cwd })).stdout).toBe('discarded: 1 dead letter\n')
  expect(await millrace(['dlq', 'discard', second.id], { cwd })).toMatchObject({ code: 1 })
  expect(await json(['dlq', 'requeue', '--group', 'receipts'], { cwd })).toMatchObject({ ids: { length: 1 } })
  await workUntil(cwd, { handled: 3, deadLetters: 0 }, { MEND: '1' })

  const range = ['replay', '--group', 'receipts', '--from', '1h']
  expect((await millrace([...range, '--dry-run'], { cwd })).stdout).toBe('4 events would be replayed into receipts\n')
  expect(await json(range, { cwd })).toMatchObject({ matched: 4, replayed: 4, interrupted: false })
  expect((await millrace(['lag'], { cwd })).stderr).toContain('in the side lanes wait: receipts 4.')
  await workUntil(cwd, { handled: 7, deadLetters: 0 }, { MEND: '1' })
})

test('says how far a replay got when it is interrupted', async () => {
  const cwd = project(SHOP)
  const input = Array.from({ length: 100 }, (_, at) => JSON.stringify({ orderId: `o-${at}`, total: 1 })).join('\n')
  await millrace(['publish', 'order.placed'], { cwd, input })
  await workUntil(cwd, { handled: 100, deadLetters: 0 })
  await using store = createMillrace({ engine: sqlite(join(cwd, 'shop.db')) })
  const ended = new AbortController()
  const ran: Ran = await millrace(['replay', '--group', 'receipts', '--from', 'earliest', '--rate', '4'], {
    cwd,
    onStart: async (child) => {
      await waitFor(async () => ended.signal.aborted || ((await store.groups())[0]?.lane.waiting ?? 0) >= 4, {
        timeoutMs: 180_000,
      })
      child.kill('SIGINT')
    },
  }).finally(() => ended.abort())
  expect(ran.code).toBe(130)
  const replayed = Number(/^interrupted: replayed (\d+) of 100 events into receipts\n$/.exec(ran.stdout)?.[1])
  expect(replayed).toBeGreaterThanOrEqual(4)
  expect(replayed).toBe((await store.groups())[0]?.lane.waiting)
})

test('answers the probes of a worker and refuses ranges that make no sense', async () => {
  const cwd = project(SHOP)
  const answers: Promise<readonly (readonly [string, number])[]>[] = []
  const worked = await millrace(['worker', '--port', '0'], {
    cwd,
    onOutput(child, stdout) {
      const url = /^ready (\S+)\n/.exec(stdout)?.[1]
      if (url === undefined || answers.length > 0) return
      const paths = ['/healthz', '/readyz', '/metrics', '/v1/topics']
      const asked = Promise.all(paths.map(async (path) => [path, (await fetch(url + path)).status] as const))
      answers.push(asked)
      void asked.finally(() => child.kill('SIGTERM'))
    },
  })
  expect(worked.code).toBe(0)
  expect(await answers[0]).toEqual([
    ['/healthz', 200],
    ['/readyz', 200],
    ['/metrics', 200],
    ['/v1/topics', 404],
  ])

  const refusals: readonly (readonly [readonly string[], RegExp])[] = [
    [['--from', '1h', '--to', '2h'], /ends before it begins/],
    [['--from', '2999-01-01'], /lies in the future/],
    [['--from', '2026-02-30'], /does not exist/],
    [['--from', '1h', '--rate', '10mb'], /whole number/],
    [[], /--from <place>/],
  ]
  for (const [args, reason] of refusals) {
    const { code, stderr } = await millrace(['replay', '--group', 'receipts', ...args], { cwd })
    expect([code, stderr]).toEqual([2, expect.stringMatching(reason)])
  }
})

test('serves the interface of the engine until it is told to stop', async () => {
  const cwd = project(SHOP)
  let answer: Promise<unknown> | undefined
  const served = await millrace(['serve', '--port', '0', '--json'], {
    cwd,
    onOutput(child, stdout) {
      if (answer !== undefined || !stdout.includes('\n')) return
      answer = fetch(new URL('/v1/topics', JSON.parse(stdout).ready)).then((response) => response.json())
      void answer.finally(() => child.kill('SIGTERM'))
    },
  })
  expect(served).toMatchObject({ code: 0, stderr: '' })
  expect(await answer).toBeDefined()
  const taken = await millrace(['serve', '--host', '0.0.0.0', '--port', '0'], { cwd })
  expect([taken.code, taken.stderr]).toEqual([2, expect.stringContaining('allowInsecure')])
})

interface Letter {
  readonly id: string
  readonly eventId: string
  readonly event: { readonly data: { readonly total: number } }
}

interface Wanted {
  /** Mails sent in all. */
  readonly handled: number
  readonly deadLetters: number
}

/** Runs a worker until the file holds what is wanted, then stops it as an operator would. */
async function workUntil(
  cwd: string,
  { handled, deadLetters }: Wanted,
  environment: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  await using store = createMillrace({ engine: sqlite(join(cwd, 'shop.db')) })
  const ended = new AbortController()
  const isDone = async (): Promise<boolean> => {
    const mails = (await store.topics()).find(({ topic }) => topic === 'mail')?.published ?? 0
    const group = (await store.groups())[0]
    return mails >= handled && group?.lag === 0 && group.lane.waiting === 0 && group.deadLetters === deadLetters
  }
  return await millrace(['worker'], {
    cwd,
    environment,
    async onStart(child) {
      await waitFor(async () => ended.signal.aborted || (await isDone()), {
        timeoutMs: 180_000,
        everyMs: 20,
        what: 'the handlers',
      })
      child.kill('SIGINT')
    },
  }).finally(() => ended.abort())
}
