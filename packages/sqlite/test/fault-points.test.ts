import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { faultPointOf } from '../src/file/fault-point.ts'
import { startChild } from './child.ts'
import { connected, record, scratchFile } from './scratch.ts'

test('without a setting a fault point does nothing', () => {
  expect(() => faultPointOf(undefined)('before-commit')).not.toThrow()
  expect(() => faultPointOf('mid-batch:1')('before-commit')).not.toThrow()
})

const POINTS = [
  'before-commit:20',
  'after-commit-before-reply:20',
  'mid-batch:10',
  'after-dead-letter:1',
  'mid-checkpoint:1',
  'mid-migration:1',
  'mid-retention:3',
]

test.each(POINTS)('killed at %s, the file is sound, holds all that was acknowledged, and works on', async (point) => {
  const path = scratchFile()
  const child = startChild('crash.ts', [path], { env: { MILLRACE_FAULT_POINT: point } })
  const acknowledged: string[] = []
  for await (const line of createInterface({ input: child.process.stdout ?? process.stdin })) acknowledged.push(line)
  expect(await child.ended).toBe('SIGKILL')

  const db = new DatabaseSync(path)
  expect(Object.values(db.prepare('PRAGMA integrity_check').get() ?? {})).toEqual(['ok'])
  db.close()
  const driver = await connected(path)
  const ids = (await driver.transport.read({ topic: 'order', limit: 10_000 })).map(({ id }) => id)
  expect(acknowledged.filter((id) => !ids.includes(id))).toEqual([])
  expect(new Set(ids).size).toBe(ids.length)
  const findings = await driver.diagnose({ verify: true })
  expect(findings.filter(({ level }) => level === 'problem')).toEqual([])
  expect(await driver.transport.publish([record(1_000_000)])).toMatchObject([{ outcome: 'stored' }])
  for (const { held, published } of (await driver.transport.list()).topics) expect(held).toBeLessThanOrEqual(published)
})
