import { createHash } from 'node:crypto'

/** A script that the server runs as one step. */
export interface Script {
  readonly source: string
  readonly sha: string
}

/** A script with its checksum, by which it is called once the server knows it. */
export function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
