import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'
import { MillraceError } from '@millrace/core'
import type { ServerLimits } from '../options.ts'

type Decompress = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>

const DECODERS: ReadonlyMap<string, Decompress> = new Map<string, Decompress>([
  ['gzip', promisify<Buffer, { maxOutputLength: number }, Buffer>(gunzip)],
  ['deflate', promisify<Buffer, { maxOutputLength: number }, Buffer>(inflate)],
  ['br', promisify<Buffer, { maxOutputLength: number }, Buffer>(brotliDecompress)],
  ['zstd', promisify<Buffer, { maxOutputLength: number }, Buffer>(zstdDecompress)],
])

/** Below this many bytes of output no ratio is suspicious. */
const HARMLESS_BYTES = 64 * 1024

/** The encoding of a body, undefined when it is plain. Throws `media_type_unsupported` for an unknown or second layer. */
export function encodingOf(header: string | null | undefined): string | undefined {
  const encoding = header?.trim().toLowerCase()
  if (encoding === undefined || encoding === '' || encoding === 'identity') return undefined
  if (DECODERS.has(encoding)) return encoding
  throw new MillraceError(
    'media_type_unsupported',
    `The content encoding is not supported: send one of ${[...DECODERS.keys()].join(', ')}, once, or none.`,
  )
}

/**
 * Undoes one layer of compression. The output is counted while it is made, so a bomb costs no more than the limit.
 * Throws `body_too_large` beyond the size or the ratio allowed, `request_invalid` for damaged data.
 */
export async function decompress(body: Buffer, encoding: string, limits: ServerLimits): Promise<Buffer> {
  const decode = DECODERS.get(encoding)
  if (decode === undefined) throw new MillraceError('media_type_unsupported', 'The content encoding is not supported.')
  const byRatio = Math.max(HARMLESS_BYTES, body.length * limits.decompressionRatio)
  const maxOutputLength = Math.min(limits.decompressedBytes, byRatio)
  try {
    return await decode(body, { maxOutputLength })
  } catch (error) {
    if (error instanceof RangeError) {
      throw new MillraceError(
        'body_too_large',
        `The body is larger than ${limits.decompressedBytes} bytes, or more than ${limits.decompressionRatio} times its compressed size, when decompressed.`,
      )
    }
    throw new MillraceError('request_invalid', `The body cannot be decompressed as ${encoding}.`, { cause: error })
  }
}
