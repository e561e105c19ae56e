import { createReader } from './reader.ts'
import { serveThread } from './thread-host.ts'

serveThread(createReader)
