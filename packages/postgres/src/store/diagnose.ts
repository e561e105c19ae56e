import type { Finding } from '@millrace/core/driver'
import type { Connection } from '../driver/connection.ts'
import { MIGRATIONS } from '../migrations/migrations.ts'

const LONG_SECONDS = 60
const FEW_CONNECTIONS = 5

/** What the doctor sees of this schema and its server; `verify` counts every event that is held. */
export async function diagnose(connection: Connection, verify: boolean): Promise<readonly Finding[]> {
  const findings = [
    ...engineFindings(connection),
    ...(await serverFindings(connection)),
    ...(await schemaFindings(connection)),
  ]
  if (verify) findings.push(await completeness(connection))
  return findings
}

function engineFindings({ facts, limited, notices, settings }: Connection): Finding[] {
  const { version, durability, fsync, fullPageWrites, synchronousCommit, standbyNames } = facts
  const says = `fsync=${fsync ? 'on' : 'off'}, full_page_writes=${fullPageWrites ? 'on' : 'off'}, synchronous_commit=${synchronousCommit}, synchronous_standby_names='${standbyNames}'`
  const isWeak = durability === 'memory' || durability === 'os-cache'
  return [
    fine('version', `PostgreSQL ${version}.`),
    isWeak
      ? notice(
          'durability',
          `${durability} (${says}): the last events before a failure may be lost. Switch all of them on to keep them.`,
        )
      : fine('durability', `${durability} (${says}).`),
    notices.arriving
      ? fine('notifications', 'They arrive; polling stands behind them.')
      : notice(
          'notifications',
          `None so far; new events of other processes are found by polling each ${settings.pollEveryMs} ms. Behind a pooler in transaction mode, give the option listen a URL around it.`,
        ),
    limited
      ? fine('timeouts', `The server ends a statement after ${settings.statementTimeoutMs} ms.`)
      : notice(
          'timeouts',
          'Statements are limited on this side alone. ALTER ROLE ... SET statement_timeout limits them in the server.',
        ),
  ]
}

interface ServerRow {
  readonly connections: number
  readonly most: number
  readonly seconds: number | null
  readonly pid: number | null
  readonly prepared: number
}

async function serverFindings({ database }: Connection): Promise<Finding[]> {
  const row = await database.first<ServerRow>(
    `WITH open AS (
       SELECT a.pid, extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds FROM pg_stat_activity a
       WHERE a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL AND (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL)
       ORDER BY a.xact_start LIMIT 1)
     SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most,
       (SELECT seconds FROM open) AS seconds, (SELECT pid FROM open) AS pid,
       (SELECT count(*) FROM pg_prepared_xacts) AS prepared`,
  )
  const { connections = 0, most = 0, seconds = null, pid = null, prepared = 0 } = row ?? {}
  const used = `${connections} of ${most} connections are in use.`
  return [
    most - connections > FEW_CONNECTIONS
      ? fine('connections', used)
      : problem('connections', `${used} Lower maxConnections, raise max_connections, or put a pooler in front.`),
    seconds === null || seconds < LONG_SECONDS
      ? fine('oldest-writer', `The oldest open transaction is ${Math.round(seconds ?? 0)} s old.`)
      : problem(
          'oldest-writer',
          `Process ${pid} has had a transaction open for ${Math.round(seconds)} s: nothing that was deleted since can be cleaned up. End it: SELECT pg_terminate_backend(${pid}).`,
        ),
    prepared === 0
      ? fine('prepared', 'No prepared transactions.')
      : notice('prepared', `${prepared} prepared transactions are open; they hold locks until somebody ends them.`),
  ]
}

interface SchemaRow {
  readonly version: number
  readonly bytes: number
  readonly segments: number
  readonly doomed: number
  readonly orphans: number
  readonly gone: number
}

async function schemaFindings({ database }: Connection): Promise<Finding[]> {
  const row = await database.first<SchemaRow>(
    `SELECT (SELECT version FROM $S.schema_version) AS version,
       (SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
        WHERE c.relnamespace = to_regnamespace($1) AND c.relkind = 'r') AS bytes,
       (SELECT count(*) FROM $S.segments) AS segments, (SELECT count(*) FROM $S.doomed_segments) AS doomed,
       (SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = '$S.events'::regclass AND NOT EXISTS (
          SELECT 1 FROM (SELECT id FROM $S.segments UNION ALL SELECT id FROM $S.doomed_segments) s
          WHERE c.relname = 'events_' || s.id)) AS orphans,
       (SELECT count(*) FROM $S.progress q WHERE q.owner IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM $S.members m WHERE m.member = q.owner)) AS gone`,
    `"${database.schema}"`,
  )
  if (row === undefined) return []
  return [
    fine('schema', `Version ${row.version}; this release knows ${MIGRATIONS.length}.`),
    fine(
      'size',
      `${(row.bytes / 1_048_576).toFixed(1)} MiB in ${row.segments} segments; ${row.doomed} wait to be dropped.`,
    ),
    row.orphans === 0
      ? fine('orphans', 'Every table of events belongs to a segment.')
      : problem('orphans', `${row.orphans} tables of events belong to no segment. Something else changed the schema.`),
    row.gone === 0
      ? fine('leases', 'Every lease has a living owner or none.')
      : notice(
          'leases',
          `${row.gone} partitions are leased to members that are gone; a running member takes them over.`,
        ),
  ]
}

async function completeness({ database }: Connection): Promise<Finding> {
  const rows = await database.rows<{ topic: string; partition: number; missing: number }>(
    `SELECT t.name AS topic, p.partition, p.head - f.dropped - count(e.seq) AS missing
     FROM $S.topics t JOIN $S.partitions p ON p.topic = t.id JOIN $S.floors f ON f.partition_id = p.id
     LEFT JOIN $S.events e ON e.partition_id = p.id AND e.seq > f.dropped AND e.seq <= p.head
     GROUP BY t.name, p.id, f.dropped HAVING p.head - f.dropped <> count(e.seq) ORDER BY t.name, p.partition LIMIT 5`,
  )
  if (rows.length === 0) return fine('events', 'Every position from the first to the last that is held has its event.')
  const places = rows.map(({ topic, partition, missing }) => `${missing} in partition ${partition} of ${topic}`)
  return problem('events', `Events are missing: ${places.join(', ')}. Restore a backup.`)
}

function fine(check: string, text: string): Finding {
  return { check, level: 'fine', text }
}

function notice(check: string, text: string): Finding {
  return { check, level: 'notice', text }
}

function problem(check: string, text: string): Finding {
  return { check, level: 'problem', text }
}
