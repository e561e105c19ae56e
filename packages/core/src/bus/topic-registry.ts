import { MillraceError } from '../runtime/error.ts'
import { partitionOf } from '../driver/murmur2.ts'
import type { TopicInfo, TopicOptions, Transport } from '../driver/transport.ts'

/** Makes topics on first use and places events in their partitions. */
export interface TopicRegistry {
  /** The topic if it was used before: the fast path of a publish. */
  known(topic: string): KnownTopic | undefined
  /** Makes it if need be; concurrent calls share one. */
  ensure(topic: string): Promise<KnownTopic>
  forget(topic: string): void
}

export interface KnownTopic {
  readonly info: TopicInfo
  /**
   * The partition of a key. Events without one are spread in turn, or by their id on an engine that knows duplicates by
   * partition only: there a resend must meet its first sending.
   */
  partition(key: string | undefined, id: string): number
}

export function createTopicRegistry(
  transport: Transport,
  settings: Readonly<Record<string, TopicOptions>>,
): TopicRegistry {
  const topics = new Map<string, KnownTopic>()
  const pending = new Map<string, Promise<KnownTopic>>()

  async function make(topic: string): Promise<KnownTopic> {
    const wanted = Object.hasOwn(settings, topic) ? settings[topic] : undefined
    const info = await transport.ensureTopic(topic, wanted)
    if (wanted?.partitions !== undefined && wanted.partitions !== info.partitions) {
      throw new MillraceError(
        'topic_mismatch',
        `The topic "${topic}" has ${info.partitions} partitions, the configuration asks for ${wanted.partitions}. ` +
          'The number is fixed when a topic is made: change the configuration, or publish to a new topic.',
        { facts: { topic, partitions: info.partitions, wanted: wanted.partitions } },
      )
    }
    const known = knownTopic(info, transport.capabilities.dedupe.bounds?.['scope'] === 'partition')
    topics.set(topic, known)
    return known
  }

  return {
    known: (topic) => topics.get(topic),
    ensure(topic) {
      const known = topics.get(topic)
      if (known !== undefined) return Promise.resolve(known)
      let making = pending.get(topic)
      if (making === undefined) {
        making = make(topic).finally(() => pending.delete(topic))
        pending.set(topic, making)
      }
      return making
    },
    forget: (topic) => void topics.delete(topic),
  }
}

function knownTopic(info: TopicInfo, spreadById: boolean): KnownTopic {
  let turn = 0
  return {
    info,
    partition(key, id) {
      if (key !== undefined) return partitionOf(key, info.partitions)
      if (spreadById) return partitionOf(id, info.partitions)
      turn = (turn + 1) % info.partitions
      return turn
    },
  }
}
