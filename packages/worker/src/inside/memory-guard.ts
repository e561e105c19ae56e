import { workerData } from 'node:worker_threads'

/** Between two looks a task can take some hundred MiB. */
const LOOK_MS = 25

/**
 * A thread that ends its process when that takes more memory than it may, buffers and native memory included: the limit of V8 is only that of its
 * heap, and a handler that blocks could not look itself.
 */
const { mostBytes } = workerData as { readonly mostBytes: number }
setInterval(() => {
  if (process.memoryUsage.rss() > mostBytes) process.kill(process.pid, 'SIGKILL')
}, LOOK_MS)
