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
    engineUp: gauge('millrace_engine_up', 'Whether the engine answered the last scrape: 1 or 0.'),
    realtimeConnections: gauge('millrace_realtime_connections', 'Realtime streams open.'),
  }
}
