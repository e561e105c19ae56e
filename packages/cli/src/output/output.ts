import { styleText } from 'node:util'
import type { Host } from '../host.ts'
import { codeOf, messageOf } from '../failure.ts'
import { printable, safeJson } from './escape.ts'

/** A colour or another style, by the name that Node.js gives it. */
export type Style = Parameters<typeof styleText>[0]

/** Where a command speaks: data on stdout, all else on stderr. */
export interface Output {
  readonly isJson: boolean
  /** Columns of the terminal; undefined when stdout is none, and nothing is to be cut. */
  readonly width: number | undefined
  /** A line of data. Resolves when the reader has room. */
  line(text: string): Promise<void>
  /** One JSON document, indented on a terminal. */
  json(value: unknown): Promise<void>
  /** One object on a line of its own. */
  jsonLine(value: unknown): Promise<void>
  /** A remark for people. */
  note(text: string): void
  warn(text: string): void
  /** A failure: a sentence, or with `--json` an object with its code. */
  error(error: unknown): void
  /** Paints text for stdout, if that is a terminal that wants colours. */
  paint(style: Style, text: string): string
}

/** What the flags say about output. */
export interface OutputOptions {
  readonly json: boolean
  readonly color: boolean
}

/** The output of a process. Nothing it prints holds a secret of the engine URL or a control character of a payload. */
export function createOutput(host: Host, { json, color }: OutputOptions): Output {
  function write(text: string): Promise<void> {
    if (host.isPipeClosed()) return Promise.resolve()
    return new Promise((resolve) => {
      // An error reaches the stream's own listener, which ends the command.
      if (host.stdout.write(`${text}\n`, () => resolve())) resolve()
    })
  }

  function say(style: Style, prefix: string, text: string): void {
    const painted = color && prefix !== '' ? styleText(style, prefix, { stream: host.stderr }) : prefix
    host.stderr.write(`${painted}${withoutSecrets(text, host.secrets)}\n`)
  }

  return {
    isJson: json,
    width: host.stdout.isTTY ? host.stdout.columns : undefined,
    line: write,
    json: (value) => write(safeJson(value, host.stdout.isTTY ? 2 : undefined)),
    jsonLine: (value) => write(safeJson(value)),
    note: (text) => say('dim', '', printable(text)),
    warn: (text) => say('yellow', 'warning: ', printable(text)),
    error(error) {
      if (json) say('red', '', safeJson({ error: { code: codeOf(error), message: messageOf(error) } }))
      else say('red', 'error: ', printable(messageOf(error)))
    },
    paint: (style, text) => (color ? styleText(style, text, { stream: host.stdout }) : text),
  }
}

/** Strikes what must not be seen from a text. */
export function withoutSecrets(text: string, secrets: Iterable<string>): string {
  let result = text
  for (const secret of secrets) result = result.replaceAll(secret, '***')
  return result
}
