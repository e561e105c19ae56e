import { Worker } from 'node:worker_threads'

/** Threads that wait for the next file; more than these end when they are given back. Each costs about 8 MiB. */
const MOST_IDLE = 8

const idle: Worker[] = []

/**
 * A thread that waits to open a file: one that was given back, or a new one. Threads are used again because V8 may lose
 * count of its code pages when threads end while others run (nodejs/node issue 64500), and because a start takes 40 ms.
 */
export function takeThread(): Worker {
  const worker = idle.pop() ?? startThread()
  worker.ref()
  return worker
}

/** Takes back a thread whose file is closed. It keeps no process alive. */
export function giveBackThread(worker: Worker): void {
  worker.unref()
  if (idle.length < MOST_IDLE) idle.push(worker)
  else void worker.terminate()
}

function startThread(): Worker {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const worker = new Worker(new URL(`./engine-thread.${extension}`, import.meta.url), { name: 'millrace-sqlite' })
  const forget = (): void => {
    const at = idle.indexOf(worker)
    if (at >= 0) idle.splice(at, 1)
  }
  // Whoever uses the thread hears of its end too; nobody may be using it.
  worker.on('error', forget)
  worker.on('exit', forget)
  return worker
}
