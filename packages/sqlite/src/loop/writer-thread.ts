import { createWriter } from './writer.ts'
import { serveThread } from './thread-host.ts'

serveThread(createWriter)
