/** For tests: clocks that stand still, simulated processes and engines, and a checker of histories. */
export { createCast, type Cast, type CastMember, type CastOptions, type Player } from './testing/cast.ts'
export { checkHistory, type HistoryReport } from './testing/check-history.ts'
export { checkTaskHistory, type TaskHistoryReport } from './testing/check-task-history.ts'
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
export { enqueuedTasks, type EnqueuedTask } from './testing/enqueued-tasks.ts'
export { NO_FAULTS, type NetworkFaults } from './testing/network-faults.ts'
export { createRandom, type Random } from './testing/random.ts'
export { recordingEngine, type HistoryWriter } from './testing/recording-engine.ts'
export { recordingTasks, scheduledIn } from './testing/recording-tasks.ts'
export { runTaskInline, type InlineOptions, type InlineRun } from './testing/run-task-inline.ts'
export { settleOn } from './testing/settle-on.ts'
export { simulatedEngine, type SimulatedEngine } from './testing/simulated-engine.ts'
export { newTask, settleOf, taskStoresOf, type TaskStores } from './testing/task-port.ts'
export type { FinalTask, TaskRules, TaskRunOutcome } from './testing/task-history.ts'
export { testRuntime, type TestRuntime } from './testing/test-runtime.ts'
export { waitFor } from './testing/wait-for.ts'
export { waitForTask } from './testing/wait-for-task.ts'
export { createWorld, type ClockSkew, type SimulatedProcess, type World } from './testing/world.ts'
