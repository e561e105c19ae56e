import type { Route } from '../services.ts'
import { readQuery } from './query.ts'

/** A handler of a route that has no query parameters: one that is given is an error, as everywhere. */
export function unqueried(handle: Route['handle']): Route['handle'] {
  return (context) => {
    readQuery(context.req.raw.url, [])
    return handle(context)
  }
}
