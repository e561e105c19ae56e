/** How a driver offers something: by the engine itself, by code of ours, or not at all (asking for it is an error). */
export type CapabilityLevel = 'native' | 'emulated' | 'none'

/** How far a stored event survives, weakest first. */
export const DURABILITY_LEVELS = ['memory', 'os-cache', 'fsync', 'replicated-memory', 'quorum-fsync'] as const
export type Durability = (typeof DURABILITY_LEVELS)[number]

/** One ability of an engine with its bounds, probed at connect. */
export interface Capability {
  readonly level: CapabilityLevel
  readonly bounds?: Readonly<Record<string, string | number | boolean>>
}

/** What an engine can do. The core asks for these and never for the engine's name. */
export interface Capabilities {
  /** The product, for people: `sqlite`, `memory`, `redis`. */
  readonly engine: string
  readonly engineVersion: string
  /** What "stored" means here, as probed, not as hoped. */
  readonly durability: Durability
  /** Order by key within a topic and a group. */
  readonly order: Capability
  /** Who gives partitions to members: `emulated` means the core does, through `LeaseStore`. */
  readonly assignment: Capability
  /** Whether a settle by a former owner is refused. */
  readonly fencing: Capability
  /** Same source and id stored once. Bounds: `scope`, `windowMs`, `maxIds` (0 is without bound). */
  readonly dedupe: Capability
  /** Reading without a group. */
  readonly read: Capability
  /** Whether `lag` is exact (`native`) or approximate (`emulated`). */
  readonly lag: Capability
  /** Whether several processes can share the engine. */
  readonly processes: Capability
  /** Largest event in bytes: bound `maxBytes`. */
  readonly size: Capability
  /**
   * A batch costs next to nothing beside its records (no sync or lock of its own), so that several small ones, sent while others are stored, are
   * sooner done than a large one. Default: false.
   */
  readonly smallBatches?: boolean
}

/** Whether `actual` is at least as durable as `wanted`. */
export function isAtLeast(actual: Durability, wanted: Durability): boolean {
  return DURABILITY_LEVELS.indexOf(actual) >= DURABILITY_LEVELS.indexOf(wanted)
}
