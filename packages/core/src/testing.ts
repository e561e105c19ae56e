/** For tests: clocks that stand still, simulated processes and engines, and a checker of histories. */
export { checkHistory, type HistoryReport } from './testing/check-history.ts'
export type { Violation } from './testing/violation.ts'
export type {
  FinalEvent,
  FinalGroup,
  FinalLetter,
  FinalState,
  HandledEvent,
  HandleOutcome,
  HistoryEntry,
  LeasedPlace,
  Unstamped,
} from './testing/history.ts'
export { NO_FAULTS, type NetworkFaults } from './testing/network-faults.ts'
export { createRandom, type Random } from './testing/random.ts'
export { recordingEngine, type HistoryWriter } from './testing/recording-engine.ts'
export { simulatedEngine, type SimulatedEngine } from './testing/simulated-engine.ts'
export { testRuntime, type TestRuntime } from './testing/test-runtime.ts'
export { waitFor } from './testing/wait-for.ts'
export { createWorld, type ClockSkew, type SimulatedProcess, type World } from './testing/world.ts'
