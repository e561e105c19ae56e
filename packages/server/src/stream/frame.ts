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
  if (event !== undefined) text += `event: ${event.replace(FORBIDDEN_IN_FIELD, '')}\n`
  if (id !== undefined) text += `id: ${id.replace(FORBIDDEN_IN_FIELD, '')}\n`
  if (data !== undefined) {
    for (const line of LINE_BREAK.test(data) ? data.split(LINE_BREAK) : [data]) text += `data: ${line}\n`
  }
  return `${text}\n`
}

/** A sign of life that clients ignore, except for the place that it moves them to. */
export function heartbeatText(id: string): string {
  return `: heartbeat\n${frameText({ id })}`
}
