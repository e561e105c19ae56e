import { type Engine, MillraceError, unknownOption } from '@millrace/core/driver'
import type { SqliteOptions } from './settings.ts'
import { sqlite } from './sqlite.ts'

type UrlOption = Exclude<keyof SqliteOptions, 'path'>

/** How each option is written in a URL. */
const READERS: { readonly [Name in UrlOption]: (text: string, name: string) => SqliteOptions[Name] } = {
  synchronous: oneOf(['full', 'normal']),
  processes: oneOf(['many', 'single']),
  threads: (text, name) => oneOf(['true', 'false'])(text, name) === 'true',
  busyTimeoutMs: wholeNumber,
  retentionEveryMs: wholeNumber,
  pollEveryMs: wholeNumber,
  checkpointPages: wholeNumber,
  maxBytes: wholeNumber,
  maxPages: wholeNumber,
}

/**
 * The engine of a URL such as `sqlite:./file.db?synchronous=normal`. Throws `engine_url_invalid`,
 * `engine_option_unknown`.
 */
export function sqliteFromUrl(url: string): Engine {
  const match = /^sqlite:(?:\/\/(?=\/))?([^?#]+)(?:\?([^#]*))?$/.exec(url)
  const path = match?.[1] === undefined ? undefined : decodePath(match[1], url)
  if (path === undefined || path.startsWith('//')) {
    throw new MillraceError(
      'engine_url_invalid',
      `"${url.slice(0, 200)}" is not the URL of a SQLite file. Write sqlite:./file.db or sqlite:/folder/file.db.`,
    )
  }
  const options: Record<string, unknown> = { path }
  for (const [name, text] of new URLSearchParams(match?.[2] ?? '')) {
    if (!isUrlOption(name)) throw unknownOption('SQLite', name, Object.keys(READERS))
    options[name] = READERS[name](text, name)
  }
  return sqlite(options as unknown as SqliteOptions)
}

function isUrlOption(name: string): name is UrlOption {
  return Object.hasOwn(READERS, name)
}

function decodePath(text: string, url: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new MillraceError('engine_url_invalid', `The path of "${url.slice(0, 200)}" has a broken % sequence.`, {
      cause,
    })
  }
}

function oneOf<const Value extends string>(allowed: readonly Value[]): (text: string, name: string) => Value {
  return (text, name) => {
    const value = allowed.find((each) => each === text)
    if (value === undefined) throw badValue(name, text, allowed.join(' or '))
    return value
  }
}

function wholeNumber(text: string, name: string): number {
  if (!/^\d{1,15}$/.test(text)) throw badValue(name, text, 'a whole number')
  return Number(text)
}

function badValue(name: string, text: string, expected: string): MillraceError {
  return new MillraceError('engine_url_invalid', `The option ${name}=${text.slice(0, 50)} must be ${expected}.`, {
    path: name,
  })
}
