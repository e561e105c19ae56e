/** A line of input, or why it cannot be one. */
export interface InputLine {
  /** From 1. */
  readonly number: number
  readonly text: string
  /** Set instead of the text when the line is too long or no UTF-8. */
  readonly fault: string | undefined
}

/** Beyond it no line could hold an event; reading on would only fill the memory. */
const LONGEST_BYTES = 4 * 1024 * 1024

/** The lines of a byte stream that are not blank. Memory is bounded: an endless line is skipped and reported. */
export async function* linesOf(stream: AsyncIterable<Uint8Array | string>): AsyncGenerator<InputLine, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let parts: Buffer[] = []
  let size = 0
  let number = 0

  function finish(): InputLine | undefined {
    number += 1
    const tooLong = size > LONGEST_BYTES
    const line = tooLong ? undefined : Buffer.concat(parts)
    parts = []
    size = 0
    if (line === undefined) return { number, text: '', fault: `it is longer than ${LONGEST_BYTES} bytes` }
    try {
      const text = decoder.decode(line).trim()
      return text === '' ? undefined : { number, text, fault: undefined }
    } catch {
      return { number, text: '', fault: 'it is not valid UTF-8' }
    }
  }

  function keep(part: Buffer): void {
    size += part.length
    if (size <= LONGEST_BYTES) parts.push(part)
    else parts = []
  }

  for await (const chunk of stream) {
    const buffer = typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk)
    let start = 0
    for (let end = buffer.indexOf(10); end !== -1; end = buffer.indexOf(10, start)) {
      keep(buffer.subarray(start, end))
      start = end + 1
      const line = finish()
      if (line !== undefined) yield line
    }
    if (start < buffer.length) keep(buffer.subarray(start))
  }
  if (size > 0) {
    const line = finish()
    if (line !== undefined) yield line
  }
}
