import { MillraceError } from '@millrace/core'
import { Hono, type Context } from 'hono'
import { asMillraceError, problemResponse, statusOf } from './problem.ts'
import { API_HEADERS } from './reply.ts'
import { mountHandler } from './mounts.ts'
import { refusalOf } from './request/guard.ts'
import { incomingOf, type Env, type Route, type Services } from './services.ts'

/** Routes, guard, mounts and errors as one web-standard handler. */
export function createApp(services: Services, routes: readonly Route[]): Hono<Env> {
  const { settings } = services
  const app = new Hono<Env>({ strict: true })
  app.use(async (context, next) => {
    const refusal = refusalOf(context.req.raw, settings, incomingOf(context))
    if (refusal !== undefined) throw refusal
    await next()
  })
  for (const [path, methods] of byPath(routes)) {
    for (const route of methods) app.on(route.method, path, (context) => answer(context, route, services))
    app.all(path, (context) => otherMethod(context, methods))
  }
  for (const mount of settings.mounts) {
    const handle = mountHandler(mount)
    app.all(mount.path, handle)
    app.all(`${mount.path}/*`, handle)
  }
  app.notFound(() => problemResponse(new MillraceError('not_found', 'There is nothing at this path.')))
  app.onError((error) => {
    const known = asMillraceError(error)
    report(known, services)
    return problemResponse(known)
  })
  return app
}

async function answer(context: Context<Env>, route: Route, services: Services): Promise<Response> {
  let status = 500
  try {
    const response = await route.handle(context)
    // What a route has sent by itself is not in the response.
    status = context.env?.outgoing?.headersSent === true ? context.env.outgoing.statusCode : response.status
    return response
  } catch (error) {
    status = statusOf(asMillraceError(error).code)
    throw error
  } finally {
    services.metrics.httpRequests.inc({ method: route.method, route: route.path, status: String(status) })
  }
}

function otherMethod(context: Context<Env>, methods: readonly Route[]): Response {
  const names = methods.map(({ method }) => method)
  const allow = [...new Set([...names, ...(names.includes('GET') ? ['HEAD'] : []), 'OPTIONS'])].join(', ')
  if (context.req.method === 'OPTIONS') return new Response(null, { status: 204, headers: { ...API_HEADERS, allow } })
  return problemResponse(new MillraceError('method_not_allowed', `This path allows ${allow}.`), { headers: { allow } })
}

/** What a client cannot have caused is told to the operator, who can do something about it. */
function report(error: MillraceError, { settings }: Services): void {
  if (statusOf(error.code) !== 500 && !error.code.startsWith('engine_')) return
  const cause = error.cause instanceof Error ? error.cause.message : undefined
  settings.runtime.log.error('A request failed.', { code: error.code, message: error.message, cause })
}

function byPath(routes: readonly Route[]): ReadonlyMap<string, readonly Route[]> {
  const paths = new Map<string, Route[]>()
  for (const route of routes) {
    const methods = paths.get(route.path)
    if (methods === undefined) paths.set(route.path, [route])
    else methods.push(route)
  }
  return paths
}
