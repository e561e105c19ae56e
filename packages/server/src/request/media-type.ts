import { MillraceError } from '@millrace/core'

const JSON_TYPE = /^application\/(?:json|[a-z0-9!#$&^_.+-]+\+json)$/

/** The media type of a request, in lower case and without parameters. */
export interface MediaType {
  readonly type: string
  readonly isJson: boolean
}

/**
 * Reads a `Content-Type`. `undefined` when there is none. Throws `media_type_unsupported` for any character set but
 * UTF-8: JSON has no other (RFC 8259 § 8.1).
 */
export function mediaTypeOf(header: string | null | undefined): MediaType | undefined {
  if (header === null || header === undefined || header === '') return undefined
  const [type = '', ...parameters] = header.split(';')
  for (const parameter of parameters) {
    const [name = '', value = ''] = parameter.split('=', 2)
    if (name.trim().toLowerCase() !== 'charset') continue
    const charset = value.trim().replaceAll('"', '').toLowerCase()
    if (charset !== 'utf-8' && charset !== 'utf8' && charset !== 'us-ascii') {
      throw new MillraceError('media_type_unsupported', 'The character set of the body is not supported: send UTF-8.')
    }
  }
  const bare = type.trim().toLowerCase()
  return { type: bare, isJson: JSON_TYPE.test(bare) }
}
