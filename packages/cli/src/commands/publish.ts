import { createReadStream } from 'node:fs'
import type { Command } from 'commander'
import type { AnyEventDefinition, CreateOptions } from '@millrace/core'
import { decodeEvent } from '@millrace/core/contract'
import { adHocDefinition } from '../ad-hoc-definition.ts'
import { wrongUse } from '../failure.ts'
import type { Host } from '../host.ts'
import { filePath, jsonArgument } from '../input/json-text.ts'
import { printable } from '../output/escape.ts'
import { publishLines } from '../publish-lines.ts'
import { withMillrace, type Session } from '../session.ts'
import { warnOfMisspelt } from '../warn-of-misspelt.ts'

interface PublishFlags {
  readonly key?: string
  readonly topic?: string
  readonly source?: string
  readonly subject?: string
  readonly id?: string
  readonly correlation?: string
  readonly strict?: boolean
}

/** `millrace publish`: one event, or one a line. */
export function addPublish(program: Command, host: Host): void {
  program
    .command('publish')
    .argument('[type]', 'the event type; - or nothing when each line is a whole CloudEvent')
    .argument('[data]', 'JSON, @file.json, @file.ndjson with an event a line, or - for lines of standard input')
    .description('Store one event, or one for each line of NDJSON.')
    .option('-k, --key <key>', 'the key: events with the same key are handled in order')
    .option('--topic <name>', "the topic (default: the definition's, or the first word of the type)")
    .option('--source <uri>', 'who says so (default: /NAME of the configuration, or /millrace-cli)')
    .option('--subject <name>', 'the entity that the event is about')
    .option('--id <id>', 'the id; the same id and source again is stored once')
    .option('--correlation <id>', 'the flow that the event belongs to')
    .option('--strict', 'stop at the first line that cannot be published')
    .addHelpText(
      'after',
      `
Examples:
  millrace publish order.placed '{"orderId": "o-1", "total": 12}' --key o-1
  millrace publish order.placed @order.json
  millrace publish order.placed < orders.ndjson
  millrace read --json | jq -c '.events[]' | millrace publish - --engine sqlite:./copy.db

A line that cannot be published is reported with its number, and the command ends with 1.`,
    )
    .action(
      async (typeArgument: string | undefined, data: string | undefined, flags: PublishFlags, command: Command) => {
        const type = typeArgument === '-' ? undefined : typeArgument
        const source = await sourceOf(host, type, data)
        checkFlags(type, source, flags)
        let definition: AnyEventDefinition | undefined
        await withMillrace(
          host,
          command,
          {
            creates: true,
            endsOnSignal: true,
            events({ config }) {
              if (type === undefined) return []
              definition = config.events?.find((candidate) => candidate.type === type)
              if (definition === undefined) return [(definition = adHocDefinition(type, flags.topic))]
              if (flags.topic !== undefined && flags.topic !== definition.topic) {
                throw wrongUse(`The definition of ${type} names the topic ${definition.topic}; leave --topic out.`)
              }
              return []
            },
          },
          async (session) => {
            const { events = [] } = session.settings.config
            if (type !== undefined)
              warnOfMisspelt(
                session.output,
                type,
                events.map((event) => event.type),
              )
            const options = createOptions(session, flags)
            if ('value' in source) await publishOne(session, definition, source.value, options)
            else {
              const toEvent = (text: string) => {
                const value: unknown = JSON.parse(text)
                if (definition !== undefined) return definition.create(value, options)
                return decodeEvent(Object(value), { runtime: { now: Date.now } })
              }
              await publishLines(session, source.lines, { toEvent, strict: flags.strict ?? false })
            }
          },
        )
      },
    )
}

type Source = { readonly value: unknown } | { readonly lines: AsyncIterable<Uint8Array | string> }

/** One document, or a stream of lines. */
async function sourceOf(host: Host, type: string | undefined, data: string | undefined): Promise<Source> {
  if (data === undefined || data === '-') {
    if (data === undefined && host.stdin.isTTY) {
      throw wrongUse(
        type === undefined
          ? 'There is nothing to publish. Give a type and data, such as: millrace publish order.placed \'{"total": 12}\''
          : `There is no data for ${type}. Give JSON, @file, or - to read lines from the terminal.`,
      )
    }
    return { lines: host.stdin }
  }
  if (data.startsWith('@') && /\.(ndjson|jsonl)$/i.test(data)) {
    return { lines: createReadStream(await filePath(host, data)) }
  }
  return { value: await jsonArgument(host, data) }
}

function checkFlags(
  type: string | undefined,
  source: Source,
  { key, topic, source: uri, subject, id, correlation }: PublishFlags,
): void {
  if ('lines' in source && id !== undefined)
    throw wrongUse('--id names one event; it does not go with lines of events.')
  if (type !== undefined) return
  const given = Object.entries({ key, topic, source: uri, subject, id, correlation }).find(
    ([, value]) => value !== undefined,
  )
  if (given !== undefined) {
    throw wrongUse(`--${given[0]} needs an event type: whole CloudEvents carry their own ${given[0]}.`)
  }
}

function createOptions({ settings }: Session, { key, source, subject, id, correlation }: PublishFlags): CreateOptions {
  return {
    source: source ?? `/${settings.name ?? 'millrace-cli'}`,
    ...(key === undefined ? {} : { key }),
    ...(subject === undefined ? {} : { subject }),
    ...(id === undefined ? {} : { id }),
    ...(correlation === undefined ? {} : { correlationId: correlation }),
  }
}

async function publishOne(
  { millrace, output }: Session,
  definition: AnyEventDefinition | undefined,
  value: unknown,
  options: CreateOptions,
): Promise<void> {
  const published =
    definition === undefined
      ? await millrace.publish(decodeEvent(Object(value), { runtime: { now: Date.now } }))
      : await millrace.publish(definition, value, options)
  if (output.isJson) return await output.json(published)
  const { id, topic, partition, position, duplicate } = published
  await output.line(
    `${output.paint('green', 'stored')} ${printable(id)} in ${topic}/${partition} at ${position}${duplicate ? ' (was there before)' : ''}`,
  )
}
