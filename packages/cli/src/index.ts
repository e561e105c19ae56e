/** What a `millrace.config.ts` imports. */
export { defineConfig } from './config/define-config.ts'
export type { MillraceConfig, ServerConfig } from './config/define-config.ts'
