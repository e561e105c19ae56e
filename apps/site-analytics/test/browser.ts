import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

/**
 * Headless browsers are counted as crawlers, and rightly; this one stands for a person. Set for the whole browser, because a
 * context's own user agent is not what beacons are sent with.
 */
const PERSON = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36'

/** Whether there is a browser to test in; says so loudly when there is none. */
export const hasBrowser: boolean = existsSync(CHROMIUM)
if (!hasBrowser)
  process.stderr.write(
    `\nNOT TESTED: there is no Chromium at ${CHROMIUM} (set CHROMIUM); tests in a browser are skipped.\n\n`,
  )

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', `--user-agent=${PERSON}`] })
}
