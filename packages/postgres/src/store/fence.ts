import type { Sql } from '../database/database.ts'

/** A partition as a group sees it, by the numbers that rows carry. */
export interface GroupPlace {
  readonly groupId: number
  readonly partitionId: number
}

/** Finds the numbers of a group and a partition; 0, which no row has, for what does not exist. */
export async function groupPlaceOf(
  sql: Sql,
  { group, topic, partition }: { readonly group: string; readonly topic: string; readonly partition: number },
): Promise<GroupPlace> {
  const row = await sql.first<GroupPlace>(
    `SELECT coalesce((SELECT id FROM $S.groups WHERE name = $1), 0) AS "groupId", coalesce((
       SELECT p.id FROM $S.partitions p JOIN $S.topics t ON t.id = p.topic WHERE t.name = $2 AND p.partition = $3), 0)
       AS "partitionId"`,
    group,
    topic,
    partition,
  )
  return row ?? { groupId: 0, partitionId: 0 }
}

/** Whether the partition's lease is still the one of this token, given on this timeline; if so, it stays so until the transaction ends. */
export async function lockToken(sql: Sql, { groupId, partitionId }: GroupPlace, token: number): Promise<boolean> {
  const row = await sql.first(
    'SELECT 1 FROM $S.progress WHERE group_id = $1 AND partition_id = $2 AND token = $S.live_token_1($3) FOR UPDATE',
    groupId,
    partitionId,
    token,
  )
  return row !== undefined
}
