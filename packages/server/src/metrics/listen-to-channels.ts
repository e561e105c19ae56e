import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { boundedLabel } from './bounded-label.ts'
import type { Metrics } from './metrics.ts'

const TOPICS = 200
const GROUPS = 200
const TYPES = 300
const OPERATIONS = 50
const QUEUES = 200
const TASKS = 300

/** Feeds metrics from what the bus called `name` tells on its diagnostics channels. Returns how to stop. */
export function listenToChannels(name: string, metrics: Metrics): () => void {
  const topic = boundedLabel(TOPICS)
  const group = boundedLabel(GROUPS)
  const type = boundedLabel(TYPES)
  const operation = boundedLabel(OPERATIONS)
  const queue = boundedLabel(QUEUES)
  const task = boundedLabel(TASKS)

  const listeners: Readonly<Record<string, (message: Message) => void>> = {
    'millrace:publish': (message) => {
      metrics.published.inc(
        { topic: topic(message.text('topic')), outcome: message.text('outcome') },
        message.number('count'),
      )
      metrics.publishSeconds.observe(message.number('durationMs') / 1_000)
    },
    'millrace:handle': (message) => {
      const labels = { group: group(message.text('group')) }
      metrics.handled.inc({ ...labels, type: type(message.text('type')), outcome: message.text('outcome') })
      metrics.handleSeconds.observe(labels, message.number('durationMs') / 1_000)
      metrics.endToEndSeconds.observe(labels, Math.max(0, message.number('endToEndMs')) / 1_000)
    },
    'millrace:store': (message) => {
      metrics.storeSeconds.observe(
        { operation: operation(message.text('operation')) },
        message.number('durationMs') / 1_000,
      )
    },
    'millrace:task': (message) => {
      const [queueName, name] = [queue(message.text('queue')), task(message.text('task'))]
      metrics.tasksEnded.inc({ queue: queueName, task: name, outcome: message.text('outcome') })
      metrics.taskSeconds.observe({ task: name }, message.number('durationMs') / 1_000)
      if (message.number('attempt') === 1) {
        metrics.queueWaitSeconds.observe({ queue: queueName }, message.number('waitMs') / 1_000)
      }
    },
    'millrace:worker': (message) => {
      const labels = { queue: queue(message.text('queue')), task: task(message.text('task')) }
      metrics.workersBusy.set(labels, message.number('running'))
      metrics.workersUtilisation.set(labels, message.number('utilisation'))
    },
    'millrace:loop-lag': (message) => {
      metrics.loopLagSeconds.set(message.number('lagMs') / 1_000)
    },
  }

  const stops = Object.entries(listeners).map(([channel, listen]) => {
    const receive = (raw: unknown): void => {
      const message = messageOf(raw)
      if (message.text('millrace') === name) listen(message)
    }
    subscribe(channel, receive)
    return () => void unsubscribe(channel, receive)
  })
  return () => {
    for (const stop of stops) stop()
  }
}

/** A message of a channel, which anybody in the process may publish to: nothing is taken on trust. */
interface Message {
  text(name: string): string
  number(name: string): number
}

function messageOf(raw: unknown): Message {
  const fields = typeof raw === 'object' && raw !== null ? (raw as Readonly<Record<string, unknown>>) : {}
  return {
    text(name) {
      const value = fields[name]
      return typeof value === 'string' ? value : ''
    },
    number(name) {
      const value = fields[name]
      return typeof value === 'number' && Number.isFinite(value) ? value : 0
    },
  }
}
