import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context } from 'hono'
import type { Metrics } from './metrics/metrics.ts'
import type { Settings } from './options.ts'
import type { ReplayRuns } from './replay-runs.ts'
import type { OpenStreams } from './stream/open-streams.ts'

/** What routes work with. */
export interface Services {
  readonly settings: Settings
  readonly metrics: Metrics
  readonly streams: OpenStreams
  readonly replays: ReplayRuns
  /** On the monotonic clock, in milliseconds. */
  readonly startedAt: number
  readonly isStopping: () => boolean
}

/** Node's own request and response, present when our listener took the request. */
export interface Env {
  Bindings: { readonly incoming?: IncomingMessage; readonly outgoing?: ServerResponse }
}

/** One method of one path. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** With `:name` for a part of the path. */
  readonly path: string
  readonly handle: (context: Context<Env>) => Response | Promise<Response>
}

/** Node's request behind a context, if there is one. */
export function incomingOf(context: Context<Env>): IncomingMessage | undefined {
  // Bindings are absent when a test or another framework calls `fetch` with the request alone.
  return context.env?.incoming
}
