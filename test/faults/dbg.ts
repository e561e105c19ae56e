import { startFaultProxy } from '/work/main/engines/src/index.ts'
import { GROUNDS } from '/work/main/test/faults/grounds.ts'
import { createScene, lasting, codesOf } from '/work/main/test/faults/scene.ts'
const ground = GROUNDS.find((g) => g.name === (process.argv[2] ?? 'redis'))!
const server = await ground.start()
const proxy = await startFaultProxy(server.url)
const scene = createScene({ name: 'x', url: server.url })
const t0 = performance.now()
const log = (...a: unknown[]) => console.log(Math.round(performance.now() - t0), ...a)
const member = await scene.join(proxy.url)
const other = await scene.join(proxy.url)
scene.load()
await scene.progress(50)
log('up')
for (let r = 0; r < 5; r++) {
  log('reset', proxy.resetAll())
  await lasting(100)
}
log('after resets', await scene.progress())
for (const does of ['reset-request', 'reset-reply', 'close-request', 'swallow-reply'] as const) {
  const struck = proxy.next('struck')
  proxy.strike({ at: '/crash', does })
  await struck
  log('struck', does)
  log(
    await scene.progress(20, member).catch((e) => String(e)),
    codesOf(member.errors),
    proxy.connections,
    codesOf(other.errors),
  )
}
log(
  await scene
    .finish()
    .then((r) => [r.violations.slice(0, 3), r.counts])
    .catch((e) => String(e)),
)
await scene[Symbol.asyncDispose]()
await proxy.close()
await server.stop()
process.exit()
