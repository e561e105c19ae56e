import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { LONGEST_LINE } from './combined-line.ts'

/** One line of a file. */
export interface Line {
  /** From 1. */
  readonly number: number
  /** Without its end; of a line that is too long only the beginning. */
  readonly text: string
  readonly tooLong: boolean
}

const NEWLINE = 0x0a

/** The lines of a file, plain, gzip or zstd, in bunches as they are read; never more than a few chunks in memory. */
export async function* readLines(path: string): AsyncGenerator<readonly Line[]> {
  let number = 0
  let held: Buffer[] = []
  let heldBytes = 0
  const take = (end: Buffer): Line => {
    const bytes = Buffer.concat([...held, end])
    const tooLong = heldBytes + end.length > LONGEST_LINE
    held = []
    heldBytes = 0
    number += 1
    const text = bytes.subarray(0, LONGEST_LINE).toString('utf8')
    return { number, text: text.endsWith('\r') ? text.slice(0, -1) : text, tooLong }
  }
  for await (const chunk of await openPlain(path)) {
    const lines: Line[] = []
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      lines.push(take(chunk.subarray(start, end)))
      start = end + 1
    }
    const rest = chunk.subarray(start)
    // Of a line that is too long already, nothing more is kept.
    if (rest.length > 0 && heldBytes <= LONGEST_LINE) held.push(Buffer.from(rest))
    heldBytes += rest.length
    if (lines.length > 0) yield lines
  }
  if (heldBytes > 0) yield [take(Buffer.alloc(0))]
}

async function openPlain(path: string): Promise<AsyncIterable<Buffer>> {
  const magic = await firstBytes(path)
  const file = createReadStream(path, { highWaterMark: 256 * 1024 })
  if (magic.length >= 2 && magic[0] === 0x1f && magic[1] === 0x8b) return piped(file, createGunzip())
  if (magic.length === 4 && magic.readUInt32LE(0) === 0xfd2fb528) return piped(file, createZstdDecompress())
  return file
}

function piped(file: Readable, unpack: NodeJS.ReadWriteStream & Readable): AsyncIterable<Buffer> {
  file.on('error', (error) => unpack.destroy(error))
  unpack.on('close', () => file.destroy())
  return file.pipe(unpack)
}

async function firstBytes(path: string): Promise<Buffer> {
  const stream = createReadStream(path, { start: 0, end: 3 })
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part as Buffer)
  return Buffer.concat(parts)
}
