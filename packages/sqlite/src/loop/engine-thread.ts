import { createReader } from './reader.ts'
import { serveThread } from './thread-host.ts'
import { createWriter } from './writer.ts'

serveThread({ writer: createWriter, reader: createReader })
