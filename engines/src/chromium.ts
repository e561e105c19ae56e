import { ensureInstalled } from './installed.ts'

/** Where Chromium is, for tests that drive a page; installed first where that is possible. */
export function chromiumPath(): Promise<string> {
  return ensureInstalled('chromium')
}
