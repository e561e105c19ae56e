import type { BenchEngine } from './engine.ts'
import type { Extent } from './extent.ts'
import type { Line } from './report.ts'

/** Measures one scenario on one engine; no lines where it has no meaning there. */
export type Scenario = (engine: BenchEngine, extent: Extent) => Promise<readonly Line[]>
