import { isbot } from 'isbot'

const WELL_KNOWN =
  /(googlebot(?:-image|-mobile)?|bingbot|msnbot|yandexbot|yandeximages|baiduspider|ahrefsbot|semrushbot|duckduckbot|applebot|facebookexternalhit|twitterbot|slackbot|mj12bot|dotbot|rogerbot|exabot|feedly|feedburner|feedfetcher-google|tiny tiny rss|gptbot|claudebot|ccbot|petalbot|uptimerobot|pingdom|curl|wget|python-requests|python-urllib|go-http-client|apachebench|headlesschrome|phantomjs)/i
const PRODUCT = /([A-Za-z][\w.+-]*(?:bot|crawler|spider|slurp|reader|fetcher|monitor)[\w.+-]*)/i

const seen = new Map<string, string | undefined>()
const REMEMBERED = 5_000

/** The name of the crawler that a user agent announces, or undefined for what looks like a person's browser. */
export function crawlerName(userAgent: string): string | undefined {
  if (seen.has(userAgent)) return seen.get(userAgent)
  const name = isbot(userAgent) ? nameOf(userAgent) : undefined
  if (seen.size >= REMEMBERED) seen.clear()
  seen.set(userAgent, name)
  return name
}

function nameOf(userAgent: string): string {
  if (userAgent.trim() === '' || userAgent === '-') return 'no user agent'
  const own = /^(?!Mozilla\/)[A-Za-z][\w .+-]*(?=\/)/
  const compatible = /\(compatible; ([A-Za-z][\w .+-]*)/
  const found =
    WELL_KNOWN.exec(userAgent)?.[1] ??
    PRODUCT.exec(userAgent)?.[1] ??
    own.exec(userAgent)?.[0] ??
    compatible.exec(userAgent)?.[1]?.replace(/^MSIE.*/, 'Old browser, automated') ??
    /^(?!Mozilla)[A-Za-z][\w+-]*/.exec(userAgent)?.[0] ??
    'Unnamed, automated'
  return (
    found
      .replace(/[^\w .,+-]/g, '')
      .trim()
      .slice(0, 64) || 'Unnamed, automated'
  )
}
