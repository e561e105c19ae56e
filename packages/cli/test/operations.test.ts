import { expect, test } from 'vitest'
import { json, millrace, project } from './command.ts'

const environment = { MILLRACE_ENGINE: 'sqlite:./app.db' }

test('operations are changed, shown with who says what, and taken back', async () => {
  const cwd = project()
  await millrace(['publish', 'a.b', '{}'], { cwd, environment })
  const change = ['operations', 'change', 'audit']
  const changed = await millrace([...change, '--mode', 'auto', '--rollout', '25', '--by', 'Ada'], { cwd, environment })
  expect(changed).toMatchObject({ code: 0, stderr: '' })
  expect(changed.stdout).toMatch(/mode +auto \(store\)\nfallback +as the code says\nrollout +25 % \(store\)/)
  await millrace([...change, '--max-wait', '2s'], { cwd, environment })
  expect(await json(['operations', 'show', 'audit'], { cwd, environment })).toMatchObject({
    settings: { mode: 'auto', rollout: 25, maxWaitMs: 2_000 },
  })
  const table = await millrace(['operations', 'ls'], { cwd, environment })
  expect(table.stdout).toMatch(/^OPERATION +MODE .*\naudit +auto +- +25 % +2\.0 s /)
  await millrace([...change, '--restore', 'mode', '--restore', 'maxWaitMs'], { cwd, environment })
  expect(await json(['operations', 'ls'], { cwd, environment })).toMatchObject([{ settings: { rollout: 25 } }])
})

test('what makes no sense is refused', async () => {
  const cwd = project()
  await millrace(['publish', 'a.b', '{}'], { cwd, environment })
  const refusals: readonly (readonly [readonly string[], RegExp])[] = [
    [['change', 'audit'], /What is to change\?/],
    [['change', 'audit', '--mode', 'maybe'], /auto, sync, async/],
    [['change', 'audit', '--rollout', '101'], /whole number from 0 to 100/],
    [['change', 'audit', '--restore', 'all'], /one of mode/],
    [['change', 'audit', '--mode', 'sync', '--restore', 'mode'], /at once/],
    [['show', 'audit'], /as its code says/],
  ]
  for (const [args, reason] of refusals) {
    const { code, stdout, stderr } = await millrace(['operations', ...args], { cwd, environment })
    expect([args, code, stdout, stderr]).toEqual([args, 2, '', expect.stringMatching(reason)])
  }
})
