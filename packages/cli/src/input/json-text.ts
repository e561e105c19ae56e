import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Host } from '../host.ts'
import { wrongUse } from '../failure.ts'

const LARGEST_BYTES = 16 * 1024 * 1024

/** JSON from an argument: the text itself, `@file`, or `-` for standard input. Throws `request_invalid`. */
export async function jsonArgument(host: Host, text: string): Promise<unknown> {
  if (text === '-') return parsed(await textOf(host.stdin), 'The standard input')
  if (!text.startsWith('@')) return parsed(text, 'The data')
  const path = await filePath(host, text)
  return parsed((await readFile(path, 'utf8')).replace(/^\uFEFF/, ''), `The file ${text.slice(1)}`)
}

/** The path of an `@file` argument that is a readable file. Throws `request_invalid`. */
export async function filePath(host: Host, argument: string): Promise<string> {
  const name = argument.slice(1)
  const path = resolve(host.cwd, name)
  const stats = await stat(path).catch(() => undefined)
  if (stats === undefined) throw wrongUse(`The file ${name} does not exist or may not be read.`)
  if (!stats.isFile()) throw wrongUse(`${name} is not a file.`)
  return path
}

function parsed(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw wrongUse(`${what} is not valid JSON. Quote it for the shell, such as '{"total": 12}'.`)
  }
}

async function textOf(stream: AsyncIterable<Uint8Array | string>): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    const part = Buffer.from(chunk)
    size += part.length
    if (size > LARGEST_BYTES) throw wrongUse(`The standard input holds more than ${LARGEST_BYTES} bytes.`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
