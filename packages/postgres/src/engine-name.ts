import type { ClientConfig } from 'pg'
import type { Settings } from './settings.ts'

/** For people and logs, without user and password: `postgres://host:5432/name?schema=millrace`. */
export function engineName({ url, client, pool, schema }: Settings): string {
  const options: ClientConfig | undefined = pool?.options ?? client
  const text = url ?? options?.connectionString
  const parsed = text !== undefined && URL.canParse(text) ? new URL(text) : undefined
  const host = parsed?.host ?? `${options?.host ?? 'localhost'}:${options?.port ?? 5432}`
  const database = parsed?.pathname.slice(1) ?? options?.database ?? ''
  return `postgres://${host}/${database}?schema=${schema}`
}
