import { MillraceError } from '@millrace/core/driver'
import { quoted } from './client.ts'

/**
 * The statements that let a role run workers and publish, and nothing more: no table can be made, changed or dropped by it, but for
 * the segments, which functions of the owner make and drop. The owner of the schema runs them, after the first migration.
 */
export function workerRights(schema: string, role: string): string {
  if (role === '' || role.includes('\0'))
    throw new MillraceError('config_invalid', 'The name of the role is empty or unusable.')
  const [inSchema, to] = [quoted(schema), quoted(role)]
  return [
    `GRANT USAGE ON SCHEMA ${inSchema} TO ${to};`,
    `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${inSchema} TO ${to};`,
    `REVOKE INSERT, UPDATE, DELETE ON ${inSchema}.schema_version FROM ${to};`,
    `GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ${inSchema} TO ${to};`,
    `GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${inSchema} TO ${to};`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ${inSchema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${to};`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ${inSchema} GRANT USAGE, SELECT ON SEQUENCES TO ${to};`,
    `ALTER DEFAULT PRIVILEGES IN SCHEMA ${inSchema} GRANT EXECUTE ON FUNCTIONS TO ${to};`,
  ].join('\n')
}
