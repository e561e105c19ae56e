import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { gzip } from 'node:zlib'
import { promisify } from 'node:util'
import { build } from 'rolldown'

/** A file as it is served. */
export interface Asset {
  readonly type: string
  readonly plain: Uint8Array<ArrayBuffer>
  readonly gzip: Uint8Array<ArrayBuffer>
}

const compress = promisify(gzip)

/** Bundles and minifies a script of the browser's; in memory, in some hundredths of a second. */
export async function bundledScript(path: string): Promise<Asset> {
  const { output } = await build({
    input: fileURLToPath(new URL(path, import.meta.url)),
    write: false,
    logLevel: 'silent',
    output: { format: 'iife', minify: true },
  })
  return asset('text/javascript; charset=utf-8', output[0].code)
}

/** A file that is served as it is. */
export async function file(path: string, type: string): Promise<Asset> {
  return asset(type, await readFile(new URL(path, import.meta.url), 'utf8'))
}

async function asset(type: string, text: string): Promise<Asset> {
  const plain = new TextEncoder().encode(text)
  return { type, plain, gzip: new Uint8Array(await compress(plain)) }
}

/** The smaller form that the browser takes. */
export function serve({ type, plain, gzip: small }: Asset, request: Request): Response {
  const takesGzip = /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '')
  return new Response(takesGzip ? small : plain, {
    headers: {
      'content-type': type,
      'cache-control': 'no-cache',
      vary: 'accept-encoding',
      ...(takesGzip ? { 'content-encoding': 'gzip' } : {}),
    },
  })
}
