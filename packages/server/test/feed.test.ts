import { systemRuntime, type FollowedChunk } from '@millrace/core'
import { expect, test } from 'vitest'
import { runFeed } from '../src/stream/feed.ts'
import { createOutlet } from '../src/stream/outlet.ts'

test('a following that begins anew is told, with the place from which it goes on', async () => {
  const runtime = systemRuntime()
  const outlet = createOutlet({ runtime, lingerMs: 1_000, cut: () => {} })
  async function* following(): AsyncGenerator<FollowedChunk> {
    yield { events: [], texts: [], cursor: 'anew', recovered: false }
  }
  await runFeed({ events: [], texts: [], cursor: 'first', recovered: true }, following(), outlet, {
    runtime,
    limits: { streamBufferBytes: 1_000 },
    timeouts: { heartbeatMs: 60_000, slowClientMs: 1_000 },
  })
  outlet.end('', { keepWaiting: true })
  expect(await new Response(outlet.body).text()).toBe(
    'retry: 2000\nevent: begin\nid: first\ndata: {"cursor":"first","recovered":true}\n\n' +
      'retry: 2000\nevent: begin\nid: anew\ndata: {"cursor":"anew","recovered":false}\n\n',
  )
})
