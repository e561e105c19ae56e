import { systemRuntime } from '@millrace/core'
import type { Driver } from '@millrace/core/driver'
import { crashEngine } from './crash-engine.ts'

/** Runs `use` with a driver that has just connected: it remembers nothing of what others have changed since. */
export async function withDriver<Answer>(url: string, use: (driver: Driver) => Promise<Answer>): Promise<Answer> {
  const driver = (await crashEngine(url)).open(systemRuntime())
  try {
    await driver.transport.connect()
    return await use(driver)
  } finally {
    await driver.transport.close()
  }
}
