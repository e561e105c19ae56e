export { sqliteFromUrl } from './from-url.ts'
export type { SqliteOptions } from './settings.ts'
export { sqlite } from './sqlite.ts'
