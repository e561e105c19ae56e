import { runPostgresProgram } from './postgres-process.ts'

/** Runs SQL through psql, without a client library in between; gives the lines of the answer. */
export async function psql(url: string, sql: string): Promise<readonly string[]> {
  const answer = await runPostgresProgram('psql', url, '--no-psqlrc', '-v', 'ON_ERROR_STOP=1', '-qAtc', sql)
  return answer.trim().split('\n')
}
