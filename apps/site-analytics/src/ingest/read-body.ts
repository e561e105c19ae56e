/** A body, or its beginning when it is longer than allowed. */
export interface Body {
  readonly text: string
  readonly tooLarge: boolean
  readonly utf8: boolean
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

/** Reads a body up to `limit` bytes. What is not UTF-8 comes back byte by byte as Latin-1, so that nothing is lost. */
export async function readBody(request: Request, limit: number): Promise<Body> {
  const declared = Number(request.headers.get('content-length') ?? Number.NaN)
  // With a declared length there cannot come more, and reading at once is twice as fast.
  if (declared <= limit) return decoded(new Uint8Array(await request.arrayBuffer()), false)
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of request.body ?? []) {
    parts.push(part)
    bytes += part.byteLength
    if (bytes > limit) break
  }
  return decoded(Buffer.concat(parts).subarray(0, limit), bytes > limit)
}

function decoded(bytes: Uint8Array, tooLarge: boolean): Body {
  try {
    return { text: strict.decode(bytes), tooLarge, utf8: true }
  } catch {
    return { text: Buffer.from(bytes).toString('latin1'), tooLarge, utf8: false }
  }
}
