import { MillraceError, type EventMessage, type PublishResult } from '@millrace/core'
import { decodeBatch, decodeBinary, decodeEvent, type DecodedItem } from '@millrace/core/contract'
import type { Context } from 'hono'
import { createConform } from '../ingest/conform.ts'
import { asMillraceError, itemErrorOf, problemResponse, statusOf, type ItemError } from '../problem.ts'
import { sendJson } from '../direct-reply.ts'
import { readBytes, readText } from '../request/body.ts'
import { mediaTypeOf } from '../request/media-type.ts'
import { readQuery } from '../request/query.ts'
import { incomingOf, type Env, type Route, type Services } from '../services.ts'

const STRUCTURED = 'application/cloudevents+json'
const BATCH = 'application/cloudevents-batch+json'
/** Decoding has checked what comes from outside. */
const CHECKED = { checked: true } as const

/** What became of one event of a request. */
interface IngestResult {
  readonly id?: string
  readonly outcome: 'stored' | 'rejected' | 'unknown'
  readonly partition?: string
  readonly position?: string
  readonly duplicate?: true
  readonly error?: ItemError
}

/** `POST /v1/events`: CloudEvents in structured, batch and binary mode. */
export function ingestRoutes({ settings: { millrace, limits, runtime } }: Services): readonly Route[] {
  const conform = createConform(() => millrace.catalog)
  const decodeOptions = { sessionId: `instance:${runtime.id()}`, runtime }

  async function take(context: Context<Env>): Promise<Response> {
    const request = context.req.raw
    readQuery(request.url, [])
    const contentType = request.headers.get('content-type')
    const incoming = incomingOf(context)
    if (request.headers.has('ce-specversion') && !contentType?.startsWith('application/cloudevents')) {
      const body = await readBytes(request, limits, incoming)
      const headers = incoming === undefined ? request.headers : pairsOf(incoming.rawHeaders)
      return singleResponse(
        context,
        await millrace.publishBatch([conform(decodeBinary(headers, body, decodeOptions))], CHECKED),
      )
    }
    const media = mediaTypeOf(contentType)
    if (media?.type !== STRUCTURED && media?.type !== BATCH) {
      throw new MillraceError(
        'media_type_unsupported',
        `Send one event as ${STRUCTURED}, several as ${BATCH}, or binary mode with ce-specversion, ce-id, ce-source and ce-type headers.`,
      )
    }
    const text = await readText(request, limits, incoming)
    if (media.type === BATCH) return batchResponse(context, await publish(decodeBatch(text, decodeOptions)))
    return singleResponse(context, await millrace.publishBatch([conform(decodeEvent(text, decodeOptions))], CHECKED))
  }

  /** One call of the backbone for all that is sound, so that the order of the request is kept. */
  async function publish(items: readonly DecodedItem[]): Promise<readonly PublishResult[]> {
    if (items.length === 0) throw new MillraceError('request_invalid', 'The batch has no events.')
    const events: EventMessage[] = []
    const checked = items.map((item) => {
      try {
        if (item.event === undefined) return { id: '', error: item.error }
        const event = conform(item.event)
        events.push(event)
        return event
      } catch (error) {
        return { id: item.event?.id ?? '', error: asMillraceError(error) }
      }
    })
    const results = events.length === 0 ? [] : await millrace.publishBatch(events, CHECKED)
    let next = 0
    return checked.map((one): PublishResult => {
      if ('error' in one) return { outcome: 'rejected', id: one.id, error: one.error }
      const result = results[next++]
      return result ?? { outcome: 'unknown', id: one.id, error: noResult() }
    })
  }

  return [{ method: 'POST', path: '/v1/events', handle: take }]
}

function singleResponse(context: Context<Env>, results: readonly PublishResult[]): Response {
  const [result] = results
  if (result === undefined) throw noResult()
  if (result.outcome !== 'stored') return problemResponse(result.error, { extra: { results: [resultOf(result)] } })
  return sendJson(context, { results: [resultOf(result)] }, 202)
}

/** When nothing was stored the whole request has failed; the error that waiting helps with speaks for all. */
function batchResponse(context: Context<Env>, results: readonly PublishResult[]): Response {
  const shown = results.map(resultOf)
  const failures = results.flatMap((result) => (result.outcome === 'stored' ? [] : [result.error]))
  const speaker = failures.find(({ code }) => statusOf(code) === 503) ?? failures[0]
  if (failures.length < results.length || speaker === undefined) return sendJson(context, { results: shown }, 202)
  return problemResponse(speaker, { extra: { results: shown } })
}

function resultOf(result: PublishResult): IngestResult {
  if (result.outcome === 'stored') {
    const { id, outcome, partition, position, duplicate } = result
    return { id, outcome, partition: String(partition), position, ...(duplicate ? { duplicate: true } : {}) }
  }
  const { id, outcome, error } = result
  return { ...(id === '' ? {} : { id }), outcome, error: itemErrorOf(error) }
}

/** Headers as they came: joined, a header that is there twice could not be told from one with a comma. */
function pairsOf(rawHeaders: readonly string[]): readonly (readonly [string, string])[] {
  return rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? ''] as const] : []))
}

function noResult(): MillraceError {
  return new MillraceError('internal', 'The backbone gave no result for an event.')
}
