import type { StoredEvent } from '@millrace/core'
import { printable, safeJson } from './escape.ts'
import type { Output } from './output.ts'
import { cut } from './table.ts'

/** One event on one line: when, what, whose, where, and its data as far as the terminal is wide. */
export function eventLine(output: Output, event: StoredEvent): string {
  const place = `${event.topic}/${event.partition}`
  const head = [event.recordedAt, event.type, event.key ?? '-', place, event.id].map(printable).join('  ')
  const data = printable(safeJson(event.data) ?? '')
  if (output.width === undefined) return `${head}  ${data}`
  const room = output.width - head.length - 2
  const painted = `${output.paint('dim', event.recordedAt)}  ${output.paint('cyan', printable(event.type))}${head.slice(event.recordedAt.length + 2 + printable(event.type).length)}`
  return room < 4 ? painted : `${painted}  ${output.paint('dim', cut(data, room))}`
}
