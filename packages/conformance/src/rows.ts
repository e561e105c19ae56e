/**
 * Rows of the list of conformance properties that this suite does not test, each with its reason. All others have at
 * least one property whose id begins with the number of the row.
 */
export const ROWS_ELSEWHERE: Readonly<Record<number, string>> = {
  32: 'An outage needs a server that can be stopped: the driver tests of server engines do it.',
  33: 'A cut network needs a network: the driver tests of server engines do it, through a fault proxy.',
  35: 'That a waiting event of one key holds up no other is row 21.',
  49: 'A move between engines is tested with the tool that makes it, for pairs of engines.',
}

/** The number of rows of the list. From 50 on: tasks, schedules and settings. */
export const ROWS = 66
