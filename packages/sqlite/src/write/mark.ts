import type { WriterState } from './writer-state.ts'

const UPDATE = `
  UPDATE progress SET fetched_high = max(fetched_high, ?)
  WHERE group_id = (SELECT id FROM groups WHERE name = ?) AND partition_id = ? AND token = ?`

/** How far a partition may be handed to handlers by whoever holds the token. */
export interface Mark {
  readonly partition: number
  readonly token: number
  readonly upTo: number
}

/** Stores marks, each under its token; returns the partitions whose token has moved on. */
export function mark(
  state: WriterState,
  { group, topic, marks }: { readonly group: string; readonly topic: string; readonly marks: readonly Mark[] },
): number[] {
  const partitions = state.topics.get(topic)?.partitions ?? []
  const isFenced = ({ partition, token, upTo }: Mark): boolean =>
    state.sql.run(UPDATE, upTo, group, partitions[partition]?.id ?? 0, token) === 0
  return marks.filter(isFenced).map(({ partition }) => partition)
}
