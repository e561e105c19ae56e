import type { WriterState } from './writer-state.ts'

/** A partition as a group sees it, by the numbers that rows carry. */
export interface GroupPlace {
  readonly groupId: number
  readonly partitionId: number
}

/** Finds the numbers of a group and a partition; 0, which no row has, for what does not exist. */
export function groupPlaceOf(
  state: WriterState,
  place: { readonly group: string; readonly topic: string; readonly partition: number },
): GroupPlace {
  return {
    groupId: state.sql.get<{ id: number }>('SELECT id FROM groups WHERE name = ?', place.group)?.id ?? 0,
    partitionId: state.topics.get(place.topic)?.partitions[place.partition]?.id ?? 0,
  }
}

/** Whether the partition's lease is still the one of this token. */
export function holdsToken(state: WriterState, { groupId, partitionId }: GroupPlace, token: number): boolean {
  const row = state.sql.get<{ token: number }>(
    'SELECT token FROM progress WHERE group_id = ? AND partition_id = ?',
    groupId,
    partitionId,
  )
  return row?.token === token
}
