import { MillraceError, unknownOption } from '@millrace/core/driver'
import { readUrl } from './client/read-url.ts'
import type { RedisOptions } from './settings.ts'

type UrlOption = Exclude<keyof RedisOptions, 'url' | 'client' | 'tls'>

/** How each option is written in a URL. */
const READERS: { readonly [Name in UrlOption]: (text: string, name: string) => string | number } = {
  prefix: (text) => text,
  callTimeoutMs: wholeNumber,
  connectTimeoutMs: wholeNumber,
  retentionEveryMs: wholeNumber,
  pollEveryMs: wholeNumber,
  waitReplicas: wholeNumber,
  maxBytes: wholeNumber,
}

/**
 * The options that a URL such as `redis://127.0.0.1:6379/0?prefix=shop:` holds, the URL without them among them. Throws
 * `engine_url_invalid`, `engine_option_unknown`.
 */
export function optionsOfUrl(url: string): RedisOptions {
  const options: Record<string, unknown> = { url: url.split('?', 1)[0] }
  for (const [name, text] of readUrl(url).query) {
    if (!isUrlOption(name)) throw unknownOption('Redis', name, Object.keys(READERS))
    options[name] = READERS[name](text, name)
  }
  return options as RedisOptions
}

function isUrlOption(name: string): name is UrlOption {
  return Object.hasOwn(READERS, name)
}

function wholeNumber(text: string, name: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new MillraceError('engine_url_invalid', `The option ${name}=${text.slice(0, 50)} must be a whole number.`, {
    path: name,
  })
}
