import type { MessagePort } from 'node:worker_threads'
import type { HandlerOrder, ToHandler } from '../pool/messages.ts'
import { runHandler } from './run-handler.ts'

/** The entry of a thread of a pool: runs one handler at a time, and speaks over the port that comes with it. */
export default async function inThread({
  order,
  port,
}: {
  readonly order: HandlerOrder
  readonly port: MessagePort
}): Promise<void> {
  await runHandler(order, {
    post: (message) => port.postMessage(message),
    listen(listener) {
      port.on('message', (message: ToHandler) => listener(message))
      return () => {}
    },
  })
  port.close()
}
