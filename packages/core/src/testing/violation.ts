/** What a check found: the name of the broken property, and what shows it. */
export interface Violation {
  readonly property:
    | 'lost'
    | 'phantom'
    | 'rejected-seen'
    | 'stored-twice'
    | 'reordered'
    | 'overlap'
    | 'duplicate'
    | 'zombie-write'
    | 'early-hand-over'
    | 'attempts'
    | 'dead-letter'
    | 'not-drained'
    | 'limit'
    | 'dedupe'
    | 'flow'
    | 'schedule'
    | 'early'
    | 'output'
  readonly text: string
}
