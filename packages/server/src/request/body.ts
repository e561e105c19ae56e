import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { MillraceError } from '@millrace/core'
import type { ServerLimits } from '../options.ts'
import { decompress, encodingOf } from './decompress.ts'

const BOM = 0xfeff

/** The bytes of a body, decompressed and within the limits. Throws `body_too_large`, `media_type_unsupported`, `request_invalid`. */
export async function readBytes(
  request: Request,
  limits: ServerLimits,
  incoming: IncomingMessage | undefined,
): Promise<Buffer> {
  const encoding = encodingOf(request.headers.get('content-encoding'))
  const declared = Number(request.headers.get('content-length') ?? 0)
  if (declared > limits.bodyBytes) throw tooLarge(limits.bodyBytes)
  const raw = await (incoming === undefined || incoming.readableDidRead
    ? fromStream(request.body, limits.bodyBytes)
    : fromIncoming(incoming, limits.bodyBytes))
  return encoding === undefined ? raw : await decompress(raw, encoding, limits)
}

/** The body as text: valid UTF-8, without a byte order mark. Throws as `readBytes`. */
export async function readText(
  request: Request,
  limits: ServerLimits,
  incoming: IncomingMessage | undefined,
): Promise<string> {
  const bytes = await readBytes(request, limits, incoming)
  if (!isUtf8(bytes)) throw new MillraceError('request_invalid', 'The body is not valid UTF-8.')
  const text = bytes.toString('utf8')
  return text.charCodeAt(0) === BOM ? text.slice(1) : text
}

/** Parses JSON. Throws `request_invalid` with the offset of the fault and nothing of the text. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    // The engine's own message quotes the input, so only the number is taken from it.
    const offset = error instanceof Error ? /position (\d+)/.exec(error.message)?.[1] : undefined
    throw new MillraceError(
      'request_invalid',
      offset === undefined
        ? 'The body is not JSON: it ends too early.'
        : `The body is not JSON at character ${offset}.`,
    )
  }
}

/** Straight from the socket: a web stream in between would double the cost of a small request. */
function fromIncoming(incoming: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const finish = (error?: MillraceError): void => {
      incoming.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone)
      if (error === undefined)
        resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks))
      else reject(error)
    }
    const onData = (chunk: Buffer): void => {
      size += chunk.length
      if (size <= maxBytes) return void chunks.push(chunk)
      incoming.pause()
      finish(tooLarge(maxBytes))
    }
    const onEnd = (): void => finish()
    const onGone = (): void => finish(new MillraceError('aborted', 'The connection ended before the body did.'))
    incoming.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone)
    if (incoming.destroyed && !incoming.readableEnded) onGone()
  })
}

async function fromStream(body: ReadableStream<Uint8Array> | null, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = body?.getReader()
  while (reader !== undefined) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.length
    if (size > maxBytes) {
      await reader.cancel()
      throw tooLarge(maxBytes)
    }
    chunks.push(value)
  }
  return Buffer.concat(chunks)
}

function tooLarge(maxBytes: number): MillraceError {
  return new MillraceError('body_too_large', `The body is larger than ${maxBytes} bytes.`, { facts: { maxBytes } })
}
