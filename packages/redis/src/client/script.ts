import { createHash } from 'node:crypto'

/** A script that the server runs as one step. */
export interface Script {
  readonly name: string
  readonly source: string
  readonly sha: string
}

/** A script with its checksum, by which it is called once the server knows it. */
export function script(name: string, source: string): Script {
  return { name, source, sha: createHash('sha1').update(source).digest('hex') }
}
