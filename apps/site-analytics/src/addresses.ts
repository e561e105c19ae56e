const LONGEST_PATH = 512

/** A path as it is counted: without query and fragment, at most 512 characters; undefined when it is none. */
export function pathOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || !value.startsWith('/')) return undefined
  const end = value.search(/[?#]/)
  const path = (end < 0 ? value : value.slice(0, end)).slice(0, LONGEST_PATH)
  // A cut through the middle of a surrogate pair would not survive the journey.
  return path.isWellFormed() ? path : path.toWellFormed()
}

/** Where a visitor came from: another site's host, `internal` for the site itself, `direct` when nothing usable is said. */
export function referrerOf(value: unknown, ownHost: string): string {
  if (typeof value !== 'string' || value === '' || value === '-' || value.length > 4_096) return 'direct'
  if (!URL.canParse(value)) return 'direct'
  const { protocol, hostname } = new URL(value)
  if ((protocol !== 'http:' && protocol !== 'https:') || hostname === '') return 'direct'
  const host = plain(hostname)
  return host === plain(ownHost) ? 'internal' : host.slice(0, 253)
}

/** A host name without port and `www.`, in lower case. */
export function plain(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d+$/, '')
    .replace(/^www\./, '')
}
