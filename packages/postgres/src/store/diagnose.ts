import type { Finding } from '@millrace/core/driver'
import type { Connection } from '../driver/connection.ts'

/** What the doctor sees in this schema. */
export async function diagnose({ facts, database }: Connection, verify: boolean): Promise<readonly Finding[]> {
  void verify
  void database
  return [{ check: 'version', level: 'fine', text: `PostgreSQL ${facts.version}.` }]
}
