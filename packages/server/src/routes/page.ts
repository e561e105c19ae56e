import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { MillraceError } from '@millrace/core'
import { API_HEADERS } from '../reply.ts'
import type { Route, Services } from '../services.ts'

/** The page's files lie beside the sources and are served as they are, from a checkout and from a package alike. */
const FOLDER = new URL('../../src/page/', import.meta.url)

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
}

/** Everything that may be asked for: a request's path is never turned into a file's. */
const FILES: ReadonlySet<string> = new Set([
  'api.js',
  'ask.js',
  'dead-letters.js',
  'dom.js',
  'groups.js',
  'icon.svg',
  'live.js',
  'main.js',
  'page.css',
  'queues.js',
  'schedules.js',
  'task.js',
  'tasks.js',
  'topics.js',
  'words.js',
])

const PAGE_HEADERS: Readonly<Record<string, string>> = {
  ...API_HEADERS,
  'cache-control': 'no-cache',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'x-frame-options': 'DENY',
}

interface Asset {
  readonly text: string
  readonly etag: string
}

/** `GET /`: the operator page and its files. */
export function pageRoutes(_services: Services): readonly Route[] {
  const assets = new Map<string, Promise<Asset>>()

  async function serve(name: string, request: Request): Promise<Response> {
    const asset = assets.get(name) ?? load(name)
    assets.set(name, asset)
    const { text, etag } = await asset
    const headers = { ...PAGE_HEADERS, etag }
    if (request.headers.get('if-none-match') === etag) return new Response(null, { status: 304, headers })
    const type = MEDIA_TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream'
    return new Response(text, { headers: { ...headers, 'content-type': type } })
  }

  return [
    { method: 'GET', path: '/', handle: (context) => serve('index.html', context.req.raw) },
    {
      method: 'GET',
      path: '/page/:file',
      handle(context) {
        const name = context.req.param('file') ?? ''
        if (!FILES.has(name)) throw new MillraceError('not_found', 'The page has no such file.')
        return serve(name, context.req.raw)
      },
    },
  ]
}

async function load(name: string): Promise<Asset> {
  const text = await readFile(new URL(name, FOLDER), 'utf8')
  return { text, etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"` }
}
