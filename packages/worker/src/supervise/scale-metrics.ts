/** How many there should be, and how many there are. */
export interface Scale {
  readonly wanted: { readonly processes: number; readonly concurrency: number; readonly slots: number }
  readonly slots: number
  readonly busy: number
  readonly backlog: number
  /** How long what has waited longest has waited, in milliseconds. */
  readonly waitMs: number
}

/** The scale in Prometheus' text format. */
export function scaleMetrics(name: string, { wanted, slots, busy, backlog, waitMs }: Scale): string {
  const label = `{name="${name.replaceAll(/[\\"\n]/g, '_')}"}`
  const gauges = [
    ['millrace_workers_wanted', 'Worker processes that there should be.', wanted.processes],
    ['millrace_worker_slots_wanted', 'Tasks that there should be room for at once.', wanted.slots],
    ['millrace_worker_slots', 'Tasks that there is room for at once.', slots],
    ['millrace_worker_slots_busy', 'Tasks that run.', Math.round(busy * 1_000) / 1_000],
    ['millrace_scaling_backlog', 'Ready tasks that wait.', backlog],
    ['millrace_scaling_wait_seconds', 'How long what has waited longest has waited.', waitMs / 1_000],
  ] as const
  return gauges
    .map(([metric, help, value]) => `# HELP ${metric} ${help}\n# TYPE ${metric} gauge\n${metric}${label} ${value}\n`)
    .join('')
}
