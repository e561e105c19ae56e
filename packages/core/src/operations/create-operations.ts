import type { Targets } from '../bus/targets.ts'
import type { SettingStore } from '../driver/setting-store.ts'
import { MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { checkOperationName } from './check-operation.ts'
import { defineOperation, type DefinedOperation } from './define-operation.ts'
import type {
  Operation,
  OperationChange,
  OperationOf,
  OperationOptions,
  Operations,
  OperationSettings,
  OperationStatus,
  OperationTask,
  OperationView,
} from './operation.ts'
import { createSettingFeed } from './setting-feed.ts'
import { DEFAULT_SETTINGS, parseEnvironment, variableOf, type SomeSettings } from './settings.ts'

/** What the operations of a backbone are made of. */
export interface OperationsOptions {
  readonly millrace: string
  readonly targets: Targets
  /** Undefined where the engine keeps none. */
  readonly settings: SettingStore | undefined
  /** Opens the engine. */
  readonly ready: () => Promise<void>
  readonly runtime: Runtime
  /** Default: the environment of the process. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Milliseconds between looks at the store. Default 2,000. */
  readonly everyMs?: number
}

const FIRST_LOOK_MS = 1_000
const { maxWaitMs: _none, ...DEFAULTS } = DEFAULT_SETTINGS
const NAMES = ['mode', 'fallback', 'rollout', 'maxWaitMs'] as const

/** The operations of one backbone. Nothing is opened before the first call. */
export function createOperations({
  millrace,
  targets,
  settings,
  ready,
  runtime,
  environment = process.env,
  everyMs = 2_000,
}: OperationsOptions): Operations {
  const defined = new Map<string, DefinedOperation>()
  const feed = createSettingFeed({ settings, ready, runtime, everyMs, onLook: lookAtAll })

  function lookAtAll(): void {
    for (const { look } of defined.values()) void look()
  }

  function viewOf(name: string, code: SomeSettings, isDefined: true): OperationView & { settings: OperationSettings }
  function viewOf(name: string, code: SomeSettings, isDefined: boolean): OperationView
  function viewOf(name: string, code: SomeSettings, isDefined: boolean): OperationView {
    const known = feed.get(name)
    const stored = known?.stored
    const said = environmentOf(name)
    const sources: readonly (readonly ['environment' | 'store' | 'code', SomeSettings])[] = [
      ['environment', said],
      ['store', stored?.settings ?? {}],
      ['code', isDefined ? { ...DEFAULTS, ...code } : {}],
    ]
    const chosen: Record<string, unknown> = {}
    const from: Partial<Record<keyof OperationSettings, 'code' | 'store' | 'environment'>> = {}
    for (const setting of NAMES) {
      const source = sources.find(([, values]) => values[setting] !== undefined)
      if (source === undefined) continue
      chosen[setting] = source[1][setting]
      from[setting] = source[0]
    }
    return {
      name,
      isDefined,
      settings: { ...(isDefined && { maxWaitMs: undefined }), ...chosen },
      from,
      changedAt: stored?.changedAt,
      changedBy: stored?.changedBy,
      problem: known?.problem ?? feed.problem,
    }
  }

  const said = new Map<string, SomeSettings>()
  /** Read once: the environment of a process does not change. */
  function environmentOf(name: string): SomeSettings {
    let values = said.get(name)
    if (values === undefined) {
      const text = environment[variableOf(name)]
      values = text === undefined ? {} : parseEnvironment(text, variableOf(name))
      said.set(name, values)
    }
    return values
  }

  async function change(name: string, changes: OperationChange): Promise<OperationView> {
    checkOperationName(name)
    await feed.change(name, changes)
    await defined.get(name)?.look()
    return seen(name)
  }

  function seen(name: string): OperationView | OperationStatus {
    return defined.get(name)?.operation.status ?? viewOf(name, {}, false)
  }

  function define<const Task extends OperationTask>(name: string, options: OperationOptions<Task>): OperationOf<Task> {
    if (defined.has(name)) {
      throw new MillraceError(
        'operation_invalid',
        `The operation "${name}" is defined already. Give each a name of its own.`,
        {
          path: 'name',
        },
      )
    }
    const made = defineOperation(name, options as unknown as OperationOptions<OperationTask>, {
      millrace,
      runtime,
      target: () => targets.need('task', options.task.name),
      loaded: () => feed.loaded(FIRST_LOOK_MS),
      view: (code) => viewOf(name, code, true),
      change: (changes) => change(name, changes),
    })
    // A variable that makes no sense should stop the process that starts with it.
    environmentOf(name)
    defined.set(name, made)
    return made.operation as OperationOf<Task> & Operation
  }

  return {
    define,
    async list() {
      await feed.refresh()
      const names = new Set([...defined.keys(), ...feed.names()])
      return [...names].toSorted().map(seen)
    },
    async get(name) {
      await feed.refresh()
      return defined.has(name) || feed.get(name) !== undefined ? seen(name) : undefined
    },
    change,
    close() {
      feed.close()
      for (const { close } of defined.values()) close()
    },
  }
}
