import type { StoredEvent } from '@millrace/core'
import stringWidth from 'fast-string-width'
import { printable, safeJson } from './escape.ts'
import type { Output } from './output.ts'
import { cut } from './table.ts'

/** From this many columns on there is room for ids and for some data. */
const WIDE = 120

/**
 * One event on one line: when, what, whose, where, its id and its data. On a terminal the line is cut to its width, and
 * where that is narrow the date and the id make room for the data.
 */
export function eventLine(output: Output, event: StoredEvent): string {
  const { width } = output
  const isNarrow = width !== undefined && width < WIDE
  const when = isNarrow ? event.recordedAt.slice('2026-11-21T'.length, -1) : event.recordedAt
  const type = printable(event.type)
  const rest = [event.key ?? '-', `${event.topic}/${event.partition}`, ...(isNarrow ? [] : [event.id])].map(printable)
  const data = printable(safeJson(event.data) ?? '')
  const used = [when, type, ...rest].reduce((sum, text) => sum + stringWidth(text) + 2, 0)
  const shown = width === undefined ? data : width - used < 2 ? '' : cut(data, width - used)
  return [output.paint('dim', when), output.paint('cyan', type), ...rest, output.paint('dim', shown)]
    .join('  ')
    .trimEnd()
}
