import type { FollowedText } from '@millrace/core'
import { storedText } from '../stored-event.ts'

const LINE_BREAK = /\r\n|\r|\n/
const FORBIDDEN_IN_FIELD = /[\r\n\0]/g

/** One server-sent event (WHATWG HTML § 9.2). Without data the client only notes the id. */
export interface Frame {
  /** Absent: `message`. */
  readonly event?: string
  readonly id?: string
  readonly data?: string
}

/** A frame on the wire. Line breaks in the data become more `data:` lines; in other fields they are dropped. */
export function frameText({ event, id, data }: Frame): string {
  let text = ''
  if (event !== undefined) text += `event: ${inField(event)}\n`
  if (id !== undefined) text += `id: ${inField(id)}\n`
  if (data !== undefined) {
    if (!hasLineBreak(data)) text += `data: ${data}\n`
    else for (const line of data.split(LINE_BREAK)) text += `data: ${line}\n`
  }
  return `${text}\n`
}

/**
 * The frame of an event. All but the body is known to be without line breaks: what is put together is not made one text to look for them, which
 * costs more than the looking.
 */
export function eventFrameText(stored: FollowedText): string {
  const data = storedText(stored)
  if (hasLineBreak(stored.body)) return frameText({ id: stored.cursor, data })
  return `id: ${stored.cursor}\ndata: ${data}\n\n`
}

/** A sign of life that clients ignore, except for the place that it moves them to. */
export function heartbeatText(id: string): string {
  return `: heartbeat\n${frameText({ id })}`
}

function inField(text: string): string {
  return hasLineBreak(text) || text.includes('\0') ? text.replace(FORBIDDEN_IN_FIELD, '') : text
}

/** Several times faster over a long text than a pattern is. */
function hasLineBreak(text: string): boolean {
  return text.includes('\n') || text.includes('\r')
}
