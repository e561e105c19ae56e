export { workerRights } from './database/roles.ts'
export { postgres, postgresFromUrl } from './postgres.ts'
export type { PostgresOptions } from './settings.ts'
