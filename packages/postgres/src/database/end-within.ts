import type { Runtime } from '@millrace/core/driver'
import type { ClientBase } from 'pg'

/** How long a server may take to let connections go, in milliseconds. */
const GRACE_MS = 1_000

/** Ends connections in peace; those that are still there after a while, as on a network that is gone, are cut. */
export async function endWithin(
  end: () => Promise<unknown>,
  clients: () => Iterable<ClientBase>,
  runtime: Runtime,
): Promise<void> {
  const timer = runtime.setTimer(() => {
    for (const client of clients()) cut(client)
  }, GRACE_MS)
  try {
    await end()
  } catch {
    // It is ended either way.
  } finally {
    timer.cancel()
  }
}

/** The client library offers no way to close a connection whose other end does not answer. */
function cut(client: ClientBase & { readonly connection?: { readonly stream?: { destroy(): void } } }): void {
  client.connection?.stream?.destroy()
}
