import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'

/** Stores each text that it is sent in a transaction of its own, reads it back and sends what it has read. */
const database = new DatabaseSync(String(workerData))
const insert = database.prepare('INSERT INTO log (id, body) VALUES (?, ?)')
const last = database.prepare('SELECT body FROM log ORDER BY pos DESC LIMIT 1')
database.exec('PRAGMA synchronous = FULL')
parentPort?.on('message', ({ id, body }: { readonly id: string; readonly body: string }) => {
  insert.run(id, body)
  parentPort?.postMessage(last.get()?.['body'])
})
