import { createHash } from 'node:crypto'

/** A script that the server runs as one step. */
export interface Script {
  readonly name: string
  readonly source: string
  readonly sha: string
  /** Whether calls keep their order: then none may have to be sent again because the server did not know the script. */
  readonly ordered: boolean
}

/** A script with its checksum, by which it is called once the server knows it; one whose calls keep their order always comes whole. */
export function script(name: string, source: string, { ordered = false }: { readonly ordered?: boolean } = {}): Script {
  return { name, source, sha: createHash('sha1').update(source).digest('hex'), ordered }
}
