import type { Statements } from '../file/statements.ts'

const MOST_CACHED = 20_000

/** Small numbers that stand for names in rows. */
export interface NameIds {
  /** The number of a name; it is given one if it has none. */
  idOf(name: string): number
  /** The names that are known behind numbers; whoever finds another one may add it. */
  readonly names: Map<number, string>
  /** Forgets what a rolled-back transaction may have given. */
  clear(): void
}

/** The numbers of one of the tables of names. */
export function createNameIds(sql: Statements, table: 'types' | 'sources' | 'task_names'): NameIds {
  const cached = new Map<string, number>()
  const names = new Map<number, string>()
  const clear = (): void => {
    cached.clear()
    names.clear()
  }
  const find = (name: string): number | undefined =>
    sql.get<{ id: number }>(`SELECT id FROM ${table} WHERE name = ?`, name)?.id
  const add = (name: string): number => {
    sql.run(`INSERT INTO ${table} (name) VALUES (?)`, name)
    return find(name) ?? 0
  }
  return {
    idOf(name) {
      const known = cached.get(name)
      if (known !== undefined) return known
      if (cached.size >= MOST_CACHED) clear()
      const id = find(name) ?? add(name)
      cached.set(name, id)
      names.set(id, name)
      return id
    },
    names,
    clear,
  }
}
