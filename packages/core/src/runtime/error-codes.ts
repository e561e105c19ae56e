/**
 * Every error that Millrace raises, by its stable code. `docs/errors.md` explains each; a test compares the two.
 * The text is the title of the error in problem details (RFC 9457) and never contains a value.
 */
export const ERROR_CODES = {
  // The contract
  event_name_invalid: 'The event type, topic or group name is not allowed',
  event_definition_invalid: 'The event definition is not usable',
  event_duplicate_definition: 'Two definitions claim the same event type',
  event_unknown_type: 'No definition is known for this event type',
  event_unknown_version: 'The event has a version that this reader does not know',
  event_upcast_failed: 'An upcaster could not bring the event to the latest version',
  event_schema_violation: 'The data does not fit the schema of the event',
  event_not_json: 'The data holds something that JSON would lose or change',
  event_forbidden_key: 'The data holds a key that could poison a prototype',
  event_malformed: 'The envelope is not a valid CloudEvent',
  event_conflict: 'Another event with the same source and id has other content',
  limit_exceeded: 'A limit of size, depth or number is exceeded',

  // Publishing and reading
  publish_rejected: 'The engine did not store the event',
  publish_unknown: 'Whether the engine stored the event is not known',
  publish_backpressure: 'Too many publishes are waiting',
  topic_full: 'The topic is at its hard cap and a group has not read its events',
  topic_unknown: 'The topic does not exist',
  topic_mismatch: 'The topic exists with other settings',
  position_invalid: 'The position or cursor is not one of this engine',

  // Subscriptions
  subscription_invalid: 'The options of the subscription contradict one another',
  group_unknown: 'The group does not exist',
  group_mismatch: 'The group exists with other settings',
  lease_lost: 'The lease of the partition has moved to another member',
  handler_failed: 'The handler failed on every attempt',
  handler_rejected: 'The handler rejected the event',
  handler_timeout: 'The handler took longer than its timeout',
  handler_killed_process: 'The process ended three times while it handled this event',
  wait_timeout: 'The awaited event did not arrive in time',

  // Transactions of the caller
  transaction_invalid: 'The transaction is not one that can be joined',
  transaction_failed: 'The statements of a handler could not be applied',

  // Tasks, queues and schedules
  task_definition_invalid: 'The definition of the task or queue is not usable',
  task_options_invalid: 'The options of the task contradict one another, or one has an impossible value',
  task_input_invalid: 'The input does not fit the schema of the task',
  task_output_invalid: 'The output does not fit the schema of the task',
  task_conflict: 'The id of the task is taken by another task',
  task_unknown: 'The task does not exist',
  task_failed: 'The task failed on every attempt',
  task_rejected: 'The handler rejected the task',
  task_timeout: 'The task took longer than its timeout',
  task_cancelled: 'The task was cancelled',
  task_expired: 'The task was not started before it expired',
  task_child_failed: 'A child of the task failed',
  task_killed_worker: 'Workers ended again and again while they ran this task',
  task_lease_lost: 'The task was taken from its worker',
  task_pool_failed: 'The thread or process that ran the task ended',
  queue_unknown: 'The queue does not exist',
  queue_full: 'The queue holds as many tasks as it may',
  queue_not_empty: 'The queue still has tasks',
  setting_conflict: 'Somebody else changed this at the same time',
  schedule_invalid: 'The schedule is not usable',
  schedule_unknown: 'The schedule does not exist',
  operation_invalid: 'The operation is not usable',
  circuit_open: 'The circuit is open after too many failures',
  bulkhead_full: 'Too many calls run at once',

  // Dead letters and replay
  dead_letter_unknown: 'The dead letter does not exist',
  dead_letter_changed: 'The dead letter was changed or removed in the meantime',
  lane_full: 'The side lane of the group is full',
  replay_invalid: 'The range of the replay is not usable',

  // Engines
  engine_unreachable: 'The engine cannot be reached',
  engine_busy: 'The engine is held by somebody else',
  engine_full: 'The engine has no room left',
  engine_read_only: 'The engine does not accept writes',
  engine_corrupt: 'The data of the engine is damaged',
  engine_version: 'The version of the engine is not supported',
  engine_schema_newer: 'The engine was written by a newer version of Millrace',
  engine_foreign_library: 'A second SQLite library has opened the same file in this process',
  engine_url_invalid: 'The engine URL is not usable',
  engine_option_unknown: 'The engine does not know this option',
  engine_permission: 'The engine refuses access',
  capability_missing: 'The engine cannot do this',
  durability_too_low: 'The engine is less durable than the configuration demands',
  closed: 'The object is closed',

  // The server and the command line
  config_invalid: 'The configuration is not usable',
  request_invalid: 'The request is not usable',
  not_found: 'There is nothing here',
  method_not_allowed: 'The method is not allowed here',
  body_too_large: 'The body is too large',
  media_type_unsupported: 'The content type or encoding is not supported',
  unauthorized: 'Authentication is required',
  forbidden: 'The request is not allowed from there',
  request_timeout: 'The request took too long to arrive',
  overloaded: 'The server is at its limit',
  aborted: 'The operation was aborted',
  internal: 'An unexpected failure',
} as const

/** A stable, machine-readable name of a failure. */
export type ErrorCode = keyof typeof ERROR_CODES
