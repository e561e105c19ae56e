import { expect, test } from 'vitest'
import { json, millrace, project, SHOP } from './command.ts'

test('publishes one event, validated by the configuration, and shows it', async () => {
  const cwd = project(SHOP)
  const stored = await millrace(['publish', 'order.placed', '{"orderId":"o-1","total":12}'], { cwd })
  expect(stored).toMatchObject({ code: 0, stderr: '' })
  expect(stored.stdout).toMatch(/^stored [0-9a-f-]{36} in order\/\d+ at \d+\n$/)

  const refused = await millrace(['publish', 'order.placed', '{"orderId":"o-1","total":"12"}', '--json'], { cwd })
  expect(refused.code).toBe(1)
  expect(refused.stdout).toBe('')
  expect(JSON.parse(refused.stderr).error.code).toBe('event_schema_violation')

  const misspelt = await millrace(['publish', 'ordr.placed', '{"orderId":"o-1","total":12}'], { cwd })
  expect(misspelt).toMatchObject({ code: 0, stderr: expect.stringContaining('Did you mean order.placed?') })
  expect(await millrace(['publish', 'stock.counted', '{}'], { cwd })).toMatchObject({ code: 0, stderr: '' })

  const { events } = await json<{ events: readonly object[] }>(['read', '--topic', 'order'], { cwd })
  expect(events).toHaveLength(1)
  expect(events[0]).toMatchObject({
    specversion: '1.0',
    type: 'order.placed',
    source: '/shop',
    partitionkey: 'o-1',
    data: { total: 12 },
  })
  expect(await json<readonly unknown[]>(['topics'], { cwd })).toContainEqual(
    expect.objectContaining({ topic: 'order', published: 1, held: 1 }),
  )
})

test('publishes lines, reports the bad ones by number, and copies events to another file', async () => {
  const cwd = project(SHOP)
  const input = '\uFEFF{"orderId":"o-1","total":1}\r\n\nnonsense\n{"orderId":2}\n{"orderId":"o-2","total":2}'
  const lines = await millrace(['publish', 'order.placed'], { cwd, input })
  expect(lines.code).toBe(1)
  expect(lines.stdout).toMatch(/^stored 2 events, 2 failed in /)
  expect(lines.stderr.split('\n')).toEqual([
    expect.stringMatching(/^warning: line 3: .*not JSON/),
    expect.stringMatching(/^warning: line 4: .*data\.orderId/),
    '',
  ])

  const strict = await millrace(['publish', 'order.placed', '-', '--strict', '--json'], { cwd, input: `bad\n${input}` })
  expect(strict.code).toBe(1)
  expect(JSON.parse(strict.stdout)).toMatchObject({ line: 1, outcome: 'rejected', error: { code: 'request_invalid' } })

  const { events } = await json<{ events: readonly object[] }>(['read'], { cwd })
  expect(events).toHaveLength(2)
  const ndjson = events.map((event) => JSON.stringify(event)).join('\n')
  const copied = await millrace(['publish', '-', '--engine', 'sqlite:./copy.db'], {
    cwd,
    input: `${ndjson}\n{"specversion":"1.0"}\n`,
  })
  expect(copied.stderr).toMatch(/^warning: line 3: /)
  expect(copied.stdout).toMatch(/^stored 2 events, 1 failed/)
  const again = await millrace(['publish', '--engine', 'sqlite:./copy.db'], { cwd, input: ndjson })
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('stored 2 events (2 were there before)') })
})

test('follows events until Ctrl-C, and goes on where it ended', async () => {
  const cwd = project()
  const engine = ['--engine', 'sqlite:./tail.db']
  await millrace(['publish', 'note.taken', '{"text":"\\u001b[2Jone\\u202e"}', ...engine], { cwd })
  let published: Promise<unknown> | undefined
  const tailed = await millrace(['tail', 'note.*', '--from', 'earliest', ...engine], {
    cwd,
    onOutput(child, stdout) {
      const lines = stdout.split('\n').length - 1
      if (lines === 1) published ??= millrace(['publish', 'note.taken', '{"text":"two"}', ...engine], { cwd })
      if (lines === 2 && !child.killed) child.kill('SIGINT')
    },
  })
  await published
  expect(tailed.code).toBe(0)
  expect(tailed.stdout.split('\n')[0]).toContain('\\u001b[2Jone\\u202e')
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  expect(tailed.stdout).not.toMatch(/[\u001b\u202e]/)
  const cursor = /go on with: --from (\S+)/.exec(tailed.stderr)?.[1] ?? ''

  await millrace(['publish', 'note.taken', '{"text":"three"}', ...engine], { cwd })
  const resumed = await millrace(['tail', '--from', cursor, '--limit', '1', '--json', ...engine], { cwd })
  expect(resumed.code).toBe(0)
  expect(JSON.parse(resumed.stdout)).toMatchObject({
    type: 'note.taken',
    data: { text: 'three' },
    cursor: expect.any(String),
  })
})

test('ends quietly when the reader of its output goes away', async () => {
  const cwd = project()
  const engine = ['--engine', 'sqlite:./pipe.db']
  const input = Array.from({ length: 3_000 }, (_, at) => JSON.stringify({ at, filling: 'x'.repeat(200) })).join('\n')
  expect(await millrace(['publish', 'noise.made', ...engine], { cwd, input })).toMatchObject({ code: 0 })
  const tailed = await millrace(['tail', '--from', 'earliest', '--json', ...engine], {
    cwd,
    onOutput: (child) => void child.stdout?.destroy(),
  })
  expect(tailed.code).toBe(0)
  expect(tailed.stderr).not.toMatch(/EPIPE|error/)
  const read = await millrace(['read', '--limit', '1000', ...engine], {
    cwd,
    onOutput: (child) => void child.stdout?.destroy(),
  })
  expect(read).toMatchObject({ code: 0, stderr: expect.not.stringMatching(/EPIPE|error/) })
})

test('measures the engine and leaves nothing behind', async () => {
  const cwd = project()
  const engine = ['--engine', 'sqlite:./bench.db']
  const result = await json(['bench', '--events', '200', '--size', '10', ...engine], { cwd })
  expect(result).toMatchObject({
    engine: 'sqlite',
    events: 200,
    publish: { perSecond: expect.any(Number) },
    handle: { p99Ms: expect.any(Number) },
  })
  expect(await json(['topics', ...engine], { cwd })).toEqual([])
  expect(await json(['groups', ...engine], { cwd })).toEqual([])
})
