/** The engine in the memory of one process. */
export { createMemoryEngine, type MemoryEngine } from './memory/engine.ts'
export { memory, type MemoryOptions } from './memory/memory-driver.ts'
