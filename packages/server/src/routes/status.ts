import { json } from '../reply.ts'
import { readQuery } from '../request/query.ts'
import type { Route, Services } from '../services.ts'

/** `GET /v1/status`: what runs here, for people. */
export function statusRoutes({ settings, streams, startedAt }: Services): readonly Route[] {
  const { millrace, runtime, mounts } = settings
  return [
    {
      method: 'GET',
      path: '/v1/status',
      async handle(context) {
        readQuery(context.req.raw.url, [])
        await millrace.start()
        const { engine, engineVersion, durability, ...abilities } = millrace.capabilities
        return json({
          name: millrace.name,
          engine: { name: engine, version: engineVersion, durability, abilities },
          node: process.versions.node,
          uptimeMs: Math.round(runtime.monotonic() - startedAt),
          streams: streams.count,
          events: millrace.catalog.map(({ type, version, topic, description }) => ({
            type,
            version,
            topic,
            description,
          })),
          applications: mounts.map(({ path, name, description }) => ({ path, name, description })),
        })
      },
    },
  ]
}
