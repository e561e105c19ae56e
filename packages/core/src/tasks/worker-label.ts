/** What a worker process tells of itself. */
export interface WorkerLabel {
  /** For people: name of the service and process id. */
  readonly service: string
  /** Names of the definitions that it works on. */
  readonly tasks: readonly string[]
  /** The queue of each of them, in the same order. */
  readonly queues: readonly string[]
}

export function encodeLabel(label: WorkerLabel): string {
  return JSON.stringify(label)
}

/** A label that is none of ours is taken as the name of a service that works on nothing. */
export function decodeLabel(text: string): WorkerLabel {
  try {
    const label = JSON.parse(text) as Partial<Record<keyof WorkerLabel, unknown>> | null
    if (Array.isArray(label?.tasks))
      return { service: String(label.service), tasks: label.tasks.map(String), queues: listOf(label.queues) }
  } catch {
    // Not JSON.
  }
  return { service: text, tasks: [], queues: [] }
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : []
}
