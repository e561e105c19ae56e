import type { Finding } from '@millrace/core/driver'
import type { Session } from './lifecycle.ts'

/** What `doctor` shows of a Redis. */
export async function diagnose({ probed }: Session): Promise<readonly Finding[]> {
  return [{ check: 'version', level: 'fine', text: `${probed.product} ${probed.productVersion}` }]
}
