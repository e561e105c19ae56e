import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { createProgram } from '../src/program.ts'

const page = readFileSync(join(import.meta.dirname, '../../../docs/cli.md'), 'utf8')

/** The program without a process: nothing is parsed, so that the host is never asked. */
const program = createProgram({} as Parameters<typeof createProgram>[0], '0')

test('docs/cli.md has a section for every command, and every option in it', () => {
  const missing: string[] = []
  for (const command of commandsOf(program)) {
    const section = sectionOf(nameOf(command))
    if (section === undefined) missing.push(nameOf(command))
    for (const { long, short } of command.options) {
      for (const flag of [long, short]) {
        if (typeof flag === 'string' && !`${section} ${sharedOf(command)}`.includes(`\`${flag}`))
          missing.push(`${nameOf(command)} ${flag}`)
      }
    }
  }
  expect(missing).toEqual([])
})

test('docs/cli.md has no command and no option that does not exist', () => {
  const names = commandsOf(program).map(nameOf)
  const sections = [...page.matchAll(/^### `millrace ([a-z]+(?: [a-z-]+)?)/gm)].map(([, name]) => name)
  expect(new Set(sections)).toEqual(new Set(names))
  const options = new Set([program, ...commandsOf(program)].flatMap(({ options: all }) => all.map(({ long }) => long)))
  const mentioned = [...page.matchAll(/`(--[a-z-]+)/g)].map(([, flag]) => flag)
  expect(mentioned.filter((flag) => flag !== '--help' && !options.has(flag))).toEqual([])
})

test('every command explains itself with a description and examples', () => {
  for (const command of commandsOf(program)) {
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text), getOutHasColors: () => false })
    command.outputHelp()
    expect([nameOf(command), command.description()]).toEqual([nameOf(command), expect.stringMatching(/^[A-Z].*\.$/)])
    expect([nameOf(command), help]).toEqual([
      nameOf(command),
      expect.stringContaining(`Examples:\n  millrace ${nameOf(command)}`),
    ])
  }
})

function commandsOf(parent: Command): readonly Command[] {
  return parent.commands.flatMap((command) => (command.commands.length === 0 ? [command] : commandsOf(command)))
}

function nameOf(command: Command): string {
  return command.parent === null || command.parent === program
    ? command.name()
    : `${nameOf(command.parent)} ${command.name()}`
}

function sectionOf(name: string): string | undefined {
  return page.split(/^##+ /m).find((section) => section.startsWith(`\`millrace ${name}`))
}

const SHARED: Readonly<Record<string, string>> = { dlq: 'Dead letters', tasks: 'Tasks' }

/** The filters are explained once, for all that take them. */
function sharedOf(command: Command): string {
  const heading = SHARED[nameOf(command).split(' ')[0] ?? '']
  return heading === undefined ? '' : (page.split(/^##+ /m).find((section) => section.startsWith(heading)) ?? '')
}
