export type { PostgresOptions } from './settings.ts'
export { postgres } from './postgres.ts'
