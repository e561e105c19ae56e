/**
 * Rows of the list of conformance properties that this suite does not test, each with its reason. All others have at
 * least one property whose id begins with the number of the row.
 */
export const ROWS_ELSEWHERE: Readonly<Record<number, string>> = {
  32: 'An outage needs a server that can be stopped: the driver tests of server engines do it.',
  33: 'A cut network needs a network: the driver tests of server engines do it, through a fault proxy.',
  34: 'No port publishes with a delay: delayed work belongs to tasks and schedules.',
  35: 'As row 34; that a waiting event of one key holds up no other is row 21.',
  36: 'No port has priorities: they belong to tasks.',
  49: 'A move between engines is tested with the tool that makes it, for pairs of engines.',
}

/** The number of rows of the list. */
export const ROWS = 49
