/** Gives each name of BullMQ the name of a task. */
export interface Names {
  /** Undefined when nothing can be made of it, or another name has become the same: then `because` says so. */
  of(name: string): { readonly task: string } | { readonly because: string }
}

/** Names that the caller has given win; else what is allowed stays, and `sendEmail` becomes `send-email`. */
export function createNames(given: Readonly<Record<string, string>>): Names {
  const known = new Map<string, { readonly task: string } | { readonly because: string }>()
  const takenBy = new Map<string, string>()

  function decide(name: string): { readonly task: string } | { readonly because: string } {
    if (Object.hasOwn(given, name)) return { task: given[name] ?? '' }
    const task = legalName(name)
    if (task === '') return { because: `the name ${shown(name)} has nothing that a task can be called by; give it one` }
    const other = takenBy.get(task)
    if (other !== undefined) {
      return { because: `the names ${shown(other)} and ${shown(name)} would both become "${task}"; give them names` }
    }
    takenBy.set(task, name)
    return { task }
  }

  return {
    of(name) {
      const before = known.get(name)
      if (before !== undefined) return before
      const decided = decide(name)
      known.set(name, decided)
      return decided
    },
  }
}

/** The name with lower-case words joined by `-` in place of what a name may not have; '' where nothing is left. */
export function legalName(name: string): string {
  return name
    .slice(0, LONGEST)
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replaceAll(/[._-]*([._-])/g, '$1')
    .slice(0, LONGEST)
    .replaceAll(/^[._-]+|[._-]+$/g, '')
}

const LONGEST = 200

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 80))
}
