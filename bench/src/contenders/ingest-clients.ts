import { parentPort, workerData } from 'node:worker_threads'
import { load } from './millrace-ingest.ts'

/** The thread of the clients of the `ingest` scenario. */
parentPort?.postMessage(await load(workerData as Parameters<typeof load>[0]))
