import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Seconds; from a memory engine's publish to a slow AI call. */
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** The metrics of one server. Names and labels are listed in `docs/http.md`. */
export interface Metrics {
  readonly registry: Registry
  readonly published: Counter<'topic' | 'outcome'>
  readonly publishSeconds: Histogram
  readonly handled: Counter<'group' | 'type' | 'outcome'>
  readonly handleSeconds: Histogram<'group'>
  readonly endToEndSeconds: Histogram<'group'>
  readonly storeSeconds: Histogram<'operation'>
  readonly loopLagSeconds: Gauge
  readonly httpRequests: Counter<'method' | 'route' | 'status'>
  readonly groupLag: Gauge<'group'>
  readonly groupOldestSeconds: Gauge<'group'>
  readonly groupMembers: Gauge<'group'>
  readonly laneEvents: Gauge<'group'>
  readonly deadLetters: Gauge<'group'>
  readonly topicLength: Gauge<'topic'>
  readonly tasksEnded: Counter<'queue' | 'task' | 'outcome'>
  readonly taskSeconds: Histogram<'task'>
  readonly queueWaitSeconds: Histogram<'queue'>
  readonly tasks: Gauge<'queue' | 'state'>
  readonly queueDepth: Gauge<'queue'>
  readonly queueWaiting: Gauge<'queue'>
  readonly queueBound: Gauge<'queue'>
  readonly queueOldestSeconds: Gauge<'queue'>
  readonly workersBusy: Gauge<'queue' | 'task'>
  readonly workersUtilisation: Gauge<'queue' | 'task'>
  readonly engineUp: Gauge
  readonly realtimeConnections: Gauge
}

/** Fresh metrics in a registry of their own. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> =>
    new Counter({ name, help, labelNames, registers })
  const gauge = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []): Gauge<Label> =>
    new Gauge({ name, help, labelNames, registers })
  const histogram = <Label extends string = never>(
    name: string,
    help: string,
    labelNames: Label[] = [],
  ): Histogram<Label> => new Histogram({ name, help, labelNames, buckets: LATENCY_BUCKETS, registers })

  return {
    registry,
    published: counter('millrace_events_published_total', 'Events published, by what became of them.', [
      'topic',
      'outcome',
    ]),
    publishSeconds: histogram('millrace_publish_seconds', 'Time for the engine to answer one flush of publishes.'),
    handled: counter('millrace_events_handled_total', 'Attempts of handlers, by how they ended.', [
      'group',
      'type',
      'outcome',
    ]),
    handleSeconds: histogram('millrace_handle_seconds', 'Time that one attempt of a handler took.', ['group']),
    endToEndSeconds: histogram(
      'millrace_end_to_end_seconds',
      'Time from storing an event to the end of its handling.',
      ['group'],
    ),
    storeSeconds: histogram('millrace_store_seconds', 'Time that one call of the engine took.', ['operation']),
    loopLagSeconds: gauge('millrace_event_loop_lag_seconds', 'How late the event loop last turned.'),
    httpRequests: counter('millrace_http_requests_total', 'HTTP requests answered.', ['method', 'route', 'status']),
    groupLag: gauge('millrace_group_lag', 'Events that a group has not settled.', ['group']),
    groupOldestSeconds: gauge(
      'millrace_group_oldest_seconds',
      'Age of the oldest event that a group has not settled.',
      ['group'],
    ),
    groupMembers: gauge('millrace_group_members', 'Members of a group.', ['group']),
    laneEvents: gauge('millrace_group_lane_events', 'Events in the side lane of a group.', ['group']),
    deadLetters: gauge('millrace_dead_letters', 'Dead letters of a group.', ['group']),
    topicLength: gauge('millrace_topic_length', 'Events held in a topic.', ['topic']),
    tasksEnded: counter('millrace_tasks_ended_total', 'Attempts of tasks in this process, by how they ended.', [
      'queue',
      'task',
      'outcome',
    ]),
    taskSeconds: histogram('millrace_task_seconds', 'Time that one attempt of a task took.', ['task']),
    queueWaitSeconds: histogram('millrace_queue_wait_seconds', 'Time that a task waited before it was claimed.', [
      'queue',
    ]),
    tasks: gauge('millrace_tasks', 'Tasks by state; beyond 10,000 of a state the count may stop.', ['queue', 'state']),
    queueDepth: gauge('millrace_queue_depth', 'Tasks that could run now.', ['queue']),
    queueWaiting: gauge('millrace_queue_waiting', 'Tasks that have not ended and do not run: what the bound counts.', [
      'queue',
    ]),
    queueBound: gauge(
      'millrace_queue_bound',
      'How many tasks may wait in a queue (maxWaiting), where it has a bound.',
      ['queue'],
    ),
    queueOldestSeconds: gauge(
      'millrace_queue_oldest_seconds',
      'How long the task has waited that has waited longest.',
      ['queue'],
    ),
    workersBusy: gauge('millrace_workers_busy', 'Handlers of this process that run.', ['queue', 'task']),
    workersUtilisation: gauge(
      'millrace_workers_utilisation',
      'Share of the handlers of this process that were busy of late, 0 to 1.',
      ['queue', 'task'],
    ),
    engineUp: gauge('millrace_engine_up', 'Whether the engine answered the last scrape: 1 or 0.'),
    realtimeConnections: gauge('millrace_realtime_connections', 'Realtime streams open.'),
  }
}
