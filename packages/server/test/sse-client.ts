/** A server-sent event as a client sees it. */
export interface Received {
  readonly event: string
  readonly id: string | undefined
  readonly data: string
}

/** An SSE client that reads a stream frame by frame, so that a test decides how fast it is. */
export interface SseClient {
  readonly response: Response
  /** The next event, comments and bare ids passed over; undefined at the end. */
  next(): Promise<Received | undefined>
  /** The id that a browser would send in `Last-Event-ID` now. */
  readonly lastId: string
  /** All comments so far. */
  readonly comments: readonly string[]
  close(): void
}

export async function openStream(url: string, query = '', lastEventId?: string): Promise<SseClient> {
  const abort = new AbortController()
  const response = await fetch(`${url}/v1/stream${query}`, {
    signal: abort.signal,
    headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
  })
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  const comments: string[] = []
  let buffered = ''
  let lastId = ''
  async function frame(): Promise<string | undefined> {
    for (;;) {
      const at = buffered.indexOf('\n\n')
      if (at >= 0) {
        const text = buffered.slice(0, at)
        buffered = buffered.slice(at + 2)
        return text
      }
      const chunk = await reader?.read()
      if (chunk === undefined || chunk.done) return undefined
      buffered += chunk.value
    }
  }
  return {
    response,
    comments,
    get lastId() {
      return lastId
    },
    async next() {
      for (;;) {
        const text = await frame()
        if (text === undefined) return undefined
        let event = 'message'
        const data: string[] = []
        for (const line of text.split('\n')) {
          const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
          if (field === '') comments.push(value)
          else if (field === 'event') event = value
          else if (field === 'id') lastId = value
          else if (field === 'data') data.push(value)
        }
        if (data.length > 0) return { event, id: lastId, data: data.join('\n') }
      }
    },
    close: () => abort.abort(),
  }
}
