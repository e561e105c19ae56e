const SECRET_PARAMETER =
  /^(password|passwd|pass|secret|token|key|apikey|api_key|accesskey|secretaccesskey|sessiontoken)$/i

/**
 * An engine URL without its secrets. Works on broken URLs too, such as a password with an unescaped `@`, `/` or `#`: from
 * the first colon after the user to the last `@` everything is hidden.
 */
export function maskUrl(url: string): string {
  const masked = url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^:/@\s]*):.*@/is, '$1:***@')
  const query = masked.indexOf('?')
  if (query === -1) return masked
  const parameters = masked
    .slice(query + 1)
    .split('&')
    .map((parameter) => {
      const [name = '', value] = parameter.split('=', 2)
      return value !== undefined && SECRET_PARAMETER.test(name) ? `${name}=***` : parameter
    })
  return `${masked.slice(0, query)}?${parameters.join('&')}`
}

/** The secrets in a URL, raw and decoded, so that they can be struck from whatever is printed later. */
export function secretsOf(url: string): readonly string[] {
  const found: string[] = []
  const password = /^[a-z][a-z0-9+.-]*:\/\/[^:/@\s]*:(.*)@/is.exec(url)?.[1]
  if (password !== undefined) found.push(password)
  for (const parameter of url.split('?').slice(1).join('?').split('&')) {
    const [name = '', value] = parameter.split('=', 2)
    if (value !== undefined && SECRET_PARAMETER.test(name)) found.push(value)
  }
  return found.flatMap((secret) => [secret, decoded(secret)]).filter((secret) => secret.length >= SHORTEST)
}

/** Shorter ones would strike ordinary letters from every message; `maskUrl` hides them in the URL all the same. */
const SHORTEST = 3

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
