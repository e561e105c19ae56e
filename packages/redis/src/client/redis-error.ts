import { isMillraceError, MillraceError, type ErrorCode } from '@millrace/core/driver'

interface Meaning {
  readonly code: ErrorCode
  /** What is the case and what to do; `%` stands for where the server is. */
  readonly text: string
  readonly retriable?: boolean
}

/** What the error replies of a server mean, by their first word. */
const REPLIES: Readonly<Record<string, Meaning>> = {
  WRONGPASS: {
    code: 'engine_permission',
    text: '% refuses the user name or the password. Check the credentials of the URL.',
  },
  NOAUTH: {
    code: 'engine_permission',
    text: '% wants a password. Write it into the URL: redis://user:password@host.',
  },
  NOPERM: {
    code: 'engine_permission',
    text: '% does not let this user do what Millrace needs. Give it the rights of docs/engines/redis.md.',
  },
  OOM: {
    code: 'engine_full',
    text: '% has used up its maxmemory. Set a retention, let groups catch up, or raise maxmemory.',
    retriable: true,
  },
  READONLY: {
    code: 'engine_read_only',
    text: '% is a replica and takes no writes. Connect to the master, or through Sentinel.',
    retriable: true,
  },
  MISCONF: {
    code: 'engine_read_only',
    text: '% refuses writes because it cannot save its data to disk. Look into its log and free the disk.',
    retriable: true,
  },
  NOREPLICAS: {
    code: 'engine_read_only',
    text: '% refuses writes because too few replicas are connected (min-replicas-to-write).',
    retriable: true,
  },
  LOADING: {
    code: 'engine_busy',
    text: '% is loading its data after a start. It answers when it is done.',
    retriable: true,
  },
  BUSY: {
    code: 'engine_busy',
    text: '% is held by a script that somebody runs. SCRIPT KILL ends it.',
    retriable: true,
  },
  TRYAGAIN: { code: 'engine_busy', text: '% moves the slot at this moment.', retriable: true },
  CLUSTERDOWN: {
    code: 'engine_unreachable',
    text: '% says that the cluster is down: not every slot has a master. See CLUSTER INFO.',
    retriable: true,
  },
  MASTERDOWN: { code: 'engine_unreachable', text: '% is a replica that has lost its master.', retriable: true },
  UNKILLABLE: { code: 'engine_busy', text: '% is held by a script that has written already.', retriable: true },
  MOVED: {
    code: 'config_invalid',
    text: '% is part of a cluster, and this client is not one of a cluster. Use redis+cluster://host,host.',
  },
  CROSSSLOT: {
    code: 'config_invalid',
    text: '% is part of a cluster, and this client is not one of a cluster. Use redis+cluster://host,host.',
  },
  WRONGTYPE: {
    code: 'engine_corrupt',
    text: '% holds a key of another type where Millrace keeps its own. Somebody else uses the same prefix: give Millrace one of its own (?prefix=…), or remove the foreign key.',
  },
  NOPROTO: {
    code: 'engine_version',
    text: '% does not speak the protocol of this client. Redis 7.0 or newer is needed.',
  },
}

/** The typed error for what a client or a server said; `where` names the server without secrets, `isAnswer` that the server said it. */
export function redisError(error: unknown, where: string, isAnswer: boolean = isReply(error)): MillraceError {
  if (isMillraceError(error)) return error
  const text = error instanceof Error ? error.message : String(error)
  const word = firstWord(text)
  const meaning = Object.hasOwn(REPLIES, word) ? REPLIES[word] : undefined
  if (meaning !== undefined) {
    return new MillraceError(meaning.code, `${meaning.text.replace('%', where)}${detailOf(word, text)}`, {
      retriable: meaning.retriable ?? false,
      facts: { reply: word },
      cause: bare(error),
    })
  }
  if (/attempted to access a non local key/i.test(text)) {
    // The keys that a call names are here, those that its script makes are already there.
    return new MillraceError('engine_busy', `${where} moves the slot at this moment.`, {
      retriable: true,
      cause: bare(error),
      facts: { reply: 'TRYAGAIN' },
    })
  }
  if (/max number of clients/i.test(text)) {
    return new MillraceError(
      'engine_busy',
      `${where} has no connection left (maxclients). Raise maxclients, or look for who holds the connections: CLIENT LIST.`,
      { retriable: true, cause: bare(error), facts: { reply: 'ERR' } },
    )
  }
  if (/unknown (?:redis )?(?:command|subcommand)/i.test(text)) {
    return new MillraceError(
      'engine_version',
      `${where} does not know a command that Millrace needs: ${text.slice(0, 120)}. It is too old (7.0 is needed), or the command was renamed or disabled.`,
      { cause: bare(error), facts: { reply: 'ERR' } },
    )
  }
  if (isAnswer) {
    return new MillraceError('internal', `${where} answered with an error: ${text.slice(0, 200)}`, {
      cause: bare(error),
      facts: { reply: word },
    })
  }
  return new MillraceError(
    'engine_unreachable',
    `${where} cannot be reached: ${text.slice(0, 200) || 'the connection was lost'}.`,
    {
      retriable: true,
      cause: bare(error),
    },
  )
}

/** Whether the server itself said so, and has not done what it was asked for. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && /^(?:ErrorReply|SimpleError|BlobError|ReplyError)$/.test(error.constructor.name)
}

function firstWord(text: string): string {
  return /^-?([A-Z]{2,})\b/.exec(text)?.[1] ?? ''
}

/** What NOPERM says holds the name of the command or key, and no secret. */
function detailOf(word: string, text: string): string {
  return word === 'NOPERM' ? ` It said: ${text.slice(0, 160)}` : ''
}

/** What clients add to their errors, such as the arguments of the command, may be the body of an event: it is left out. */
export function bare(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined
  const kept: Error & { code?: unknown } = new Error(error.message)
  kept.name = error.name
  if ('code' in error) kept.code = error.code
  return kept
}
