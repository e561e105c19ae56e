import { MillraceError } from '@millrace/core'
import { parseJson } from '../request/body.ts'
import type { MediaType } from '../request/media-type.ts'

const PREFIX = 'ce-'
const ATTRIBUTE_NAME = /^[a-z0-9]{1,64}$/

/**
 * The attributes and data of a binary-mode request (CloudEvents HTTP binding § 3.1) as a structured event, still to be
 * decoded. JSON data is parsed, any other becomes base64. Throws `event_malformed`, `request_invalid`.
 */
export function structuredOf(headers: Headers, media: MediaType | undefined, body: string): object {
  const attributes = new Map<string, unknown>()
  for (const [header, value] of headers) {
    if (!header.startsWith(PREFIX)) continue
    const name = header.slice(PREFIX.length)
    if (!ATTRIBUTE_NAME.test(name) || name === 'data' || name === 'datacontenttype') {
      throw new MillraceError('event_malformed', 'A ce- header does not name a CloudEvents attribute.', {
        path: header.slice(0, 70),
      })
    }
    attributes.set(name, percentDecoded(value, name))
  }
  if (media === undefined) {
    if (body !== '') {
      throw new MillraceError('media_type_unsupported', 'The data has no content type: send application/json with it.')
    }
  } else if (media.isJson) {
    // As plain JSON: what the sender called it, if anything else, is kept.
    if (media.type !== 'application/json') attributes.set('datacontenttype', media.type)
    if (body !== '') attributes.set('data', parseJson(body))
  } else {
    throw new MillraceError('media_type_unsupported', 'The data of an event must be JSON: send it as application/json.')
  }
  return Object.fromEntries(attributes)
}

/** Values outside printable ASCII, spaces, quotes and percent signs come percent-encoded as UTF-8 (§ 3.1.3.2). */
function percentDecoded(value: string, name: string): string {
  if (!/^[\x20-\x7e]*$/.test(value)) {
    throw new MillraceError('event_malformed', `The header ce-${name} holds characters that must be percent-encoded.`, {
      path: name,
    })
  }
  if (!value.includes('%')) return value
  try {
    return decodeURIComponent(value)
  } catch {
    throw new MillraceError('event_malformed', `The header ce-${name} is not percent-encoded UTF-8.`, { path: name })
  }
}
