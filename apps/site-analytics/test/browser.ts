import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

/** Whether there is a browser to test in; says so loudly when there is none. */
export const hasBrowser: boolean = existsSync(CHROMIUM)
if (!hasBrowser)
  process.stderr.write(
    `\nNOT TESTED: there is no Chromium at ${CHROMIUM} (set CHROMIUM); tests in a browser are skipped.\n\n`,
  )

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
}
