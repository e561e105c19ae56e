import { readFile } from 'node:fs/promises'
import { ERROR_CODES, type ErrorCode } from '@millrace/core/contract'
import { expect, test } from 'vitest'
import { createMetrics } from '../src/metrics/metrics.ts'
import { DEFAULT_SERVER_LIMITS, DEFAULT_SERVER_TIMEOUTS } from '../src/options.ts'
import { statusOf } from '../src/problem.ts'

const docs = await readFile(new URL('../../../docs/http.md', import.meta.url), 'utf8')
const codes = Object.keys(ERROR_CODES) as ErrorCode[]

test('the table of statuses names every code that is not 500, in its row', () => {
  const rows = docs.split('\n').filter((line) => line.startsWith('| '))
  const undocumented = codes.filter((code) => {
    const status = statusOf(code)
    return (
      status !== 500 && !rows.some((row) => row.split('|')[1]?.includes(String(status)) && row.includes(`\`${code}\``))
    )
  })
  expect(undocumented).toEqual([])
})

test('every metric, limit and timeout is described', async () => {
  const metrics = (await createMetrics().registry.getMetricsAsJSON()).map(({ name }) => name)
  const settings = [...Object.keys(DEFAULT_SERVER_LIMITS), ...Object.keys(DEFAULT_SERVER_TIMEOUTS)]
  expect([...metrics, ...settings].filter((name) => !docs.includes(`\`${name}\``))).toEqual([])
})
