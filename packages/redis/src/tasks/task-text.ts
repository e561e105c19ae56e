import type { ClaimedTask, ClaimedTasks, NewTask, TaskError } from '@millrace/core/driver'
import { escapeText, unescapeText } from '../entry.ts'

/** So many wishes are compared field by field; a task that is like none of them is compared by its text. */
const MOST_COMPARED = 8

/**
 * What the scripts are told of new tasks: how many wishes, these, whether an id or a dedupe key comes twice, which wish each task has, three characters for each,
 * then the ids, the dedupe keys and the bodies of all. Tasks that differ in nothing else share a wish, so that the server reads it once.
 */
export function encodeTasks(tasks: readonly NewTask[]): string[] {
  const wishes = new Map<string, string>()
  const compared: { readonly task: NewTask; readonly kind: string }[] = []
  const ids: string[] = []
  const dedupes: string[] = []
  const bodies: string[] = []
  let kinds = ''
  for (const task of tasks) {
    const dedupe = dedupeOf(task)
    let kind = compared.find((other) => isSameWish(task, other.task))?.kind
    if (kind === undefined) {
      const wish = wishOf(task, dedupe)
      kind = wishes.get(wish)
      if (kind === undefined) wishes.set(wish, (kind = kindOf(wishes.size)))
      if (compared.length < MOST_COMPARED) compared.push({ task, kind })
    }
    kinds += kind
    ids.push(encodeName(task.id))
    dedupes.push(dedupe === undefined ? '' : encodeName(optional(dedupe.key)))
    bodies.push(task.body)
  }
  const repeats = hasRepeats(ids) || hasRepeats(dedupes.filter((dedupe) => dedupe !== '')) ? '1' : ''
  return [String(wishes.size), ...wishes.keys(), repeats, kinds, ...ids, ...dedupes, ...bodies]
}

function hasRepeats(texts: readonly string[]): boolean {
  return new Set(texts).size < texts.length
}

/** What belongs to a flow has no dedupe key. */
function dedupeOf({ parent, children, dedupe }: NewTask): NewTask['dedupe'] {
  return parent !== undefined || children > 0 ? undefined : dedupe
}

function isSameWish(one: NewTask, other: NewTask): boolean {
  return (
    one.headStartMs === other.headStartMs &&
    one.delayMs === other.delayMs &&
    one.name === other.name &&
    one.queue === other.queue &&
    one.key === other.key &&
    one.tenant === other.tenant &&
    one.expiresInMs === other.expiresInMs &&
    one.parent === other.parent &&
    one.children === other.children &&
    one.failFast === other.failFast &&
    one.dedupe?.mode === other.dedupe?.mode &&
    one.dedupe?.until === other.dedupe?.until &&
    one.dedupe?.windowMs === other.dedupe?.windowMs
  )
}

/** A number as three digits of base 64 that begin at the space. */
function kindOf(number: number): string {
  return String.fromCharCode(32 + Math.floor(number / 4_096), 32 + (Math.floor(number / 64) % 64), 32 + (number % 64))
}

/** Lines of what makes a task: how it is added, then the lines of its shape as the script has them. */
function wishOf(task: NewTask, dedupe: NewTask['dedupe']): string {
  const { queue, name, key, tenant, headStartMs, delayMs, expiresInMs, parent, children, failFast } = task
  const expiry = expiresInMs === undefined ? '-1' : wholeMs(Math.max(0, expiresInMs))
  const adding = `${wholeMs(delayMs)} ${expiry} ${children} ${dedupe?.mode ?? '-'} ${wholeMs(dedupe?.windowMs ?? 0)}`
  const shape = `${queue}\n${name}\n${wholeMs(headStartMs)}\n${optional(key)}\n${optional(tenant)}`
  const lines = `${shape}\n${dedupe?.until ?? ''}\n${optional(parent)}\n${children > 0 ? '1' : ''}\n${failFast ? '1' : ''}`
  if (!lines.includes('\\') && countLines(lines) === 9) return `${adding}\n${lines}`
  const escaped = [queue, name, wholeMs(headStartMs), optional(key), optional(tenant)]
  const others = [dedupe?.until ?? '', optional(parent), children > 0 ? '1' : '', failFast ? '1' : '']
  return [adding, ...escaped.map(escapeText), ...others.map(escapeText)].join('\n')
}

/** A name, id or key as the scripts have it: without line feeds. */
export function encodeName(name: string): string {
  return name.includes('\n') || name.includes('\\') ? escapeText(name) : name
}

/** What `encodeName` was given. */
export function decodeName(text: string): string {
  return text.includes('\\') ? unescapeText(text) : text
}

/** What may be missing: nothing, or with a sign before it. */
export function optional(text: string | undefined): string {
  return text === undefined ? '' : `=${text}`
}

/** What `optional` was given, escaped. */
export function decodeOptional(text: string): string | undefined {
  return text === '' ? undefined : decodeName(text.slice(1))
}

/** Whole milliseconds, upwards: nothing comes too early. */
export function wholeMs(ms: number): string {
  return String(Math.ceil(ms))
}

export function encodeError(error: TaskError | undefined): string {
  return error === undefined ? '' : JSON.stringify(error)
}

export function decodeError(text: string | null | undefined): TaskError | undefined {
  if (text === null || text === undefined || text === '') return undefined
  const { code, message, stack, fingerprint } = JSON.parse(text) as TaskError
  return { code, message, stack, fingerprint }
}

/** Of one claim: id, what is known and body in turn, and the milliseconds until there is more, -1 for what is not known. */
export type ClaimReply = readonly [tasks: readonly string[], nextMs: number]

/** The tasks that a claim gave. */
export function decodeClaim(queue: string, [given, nextMs]: ClaimReply): ClaimedTasks {
  const tasks: ClaimedTask[] = []
  for (let at = 0; at + 2 < given.length; at += 3) {
    const lines = (given[at + 1] ?? '').split('\n')
    const [starts, attempts, crashes, ageMs, waitedMs, expiresInMs = '', name = '', key = '', tenant = '', children] =
      lines
    tasks.push({
      id: decodeName(given[at] ?? ''),
      queue,
      name: decodeName(name),
      body: given[at + 2] ?? '',
      key: decodeOptional(key),
      tenant: decodeOptional(tenant),
      starts: Number(starts),
      attempts: Number(attempts),
      crashes: Number(crashes),
      ageMs: Number(ageMs),
      waitedMs: Number(waitedMs),
      expiresInMs: expiresInMs === '' ? undefined : Number(expiresInMs),
      hasChildren: children === '1',
    })
  }
  return { tasks, nextMs: nextMs < 0 ? undefined : nextMs }
}

function countLines(text: string): number {
  let lines = 1
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines += 1
  return lines
}
