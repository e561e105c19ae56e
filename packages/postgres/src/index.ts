export { workerRights } from './database/roles.ts'
export { postgresFromUrl } from './from-url.ts'
export { postgres } from './postgres.ts'
export type { PostgresOptions } from './settings.ts'
