import type { ScheduleRule, ScheduleView } from '@millrace/core'
import type { Command } from 'commander'
import type { Host } from '../host.ts'
import { wholeNumber } from '../input/whole-number.ts'
import { printable, safeJson } from '../output/escape.ts'
import { printFacts } from '../output/facts.ts'
import { printTable } from '../output/table.ts'
import { withMillrace, type Session } from '../session.ts'
import { addSchedulesPut } from './schedules-put.ts'

/** The schedules, which add tasks by themselves. */
export function addSchedules(program: Command, host: Host): void {
  const schedules = program
    .command('schedules')
    .description('List, store, pause, run, skip and remove schedules of tasks.')
    .addHelpText(
      'after',
      "\nExamples:\n  millrace schedules put nightly report.build --cron '0 2 * * *' --time-zone Europe/Berlin\n  millrace schedules ls\n  millrace schedules show nightly",
    )
  addLs(schedules, host)
  addShow(schedules, host)
  addSchedulesPut(schedules, host)
  addChange(schedules, host, 'pause')
  addChange(schedules, host, 'resume')
  addChange(schedules, host, 'skip')
  addRun(schedules, host)
  addRm(schedules, host)
}

function addLs(schedules: Command, host: Host): void {
  schedules
    .command('ls')
    .description('List the schedules by name.')
    .option('-n, --limit <count>', 'how many', wholeNumber(1, 1_000), 100)
    .option('--after <name>', 'go on after this schedule')
    .addHelpText('after', '\nExamples:\n  millrace schedules ls\n  millrace schedules ls --json')
    .action((flags: { readonly limit: number; readonly after?: string }, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const found = await millrace.schedules.list(flags)
        if (output.isJson) return await output.json(found)
        if (found.length === 0) return output.note('There is no schedule.')
        await printTable(output, found, [
          { title: 'schedule', value: ({ name }) => name },
          { title: 'rule', value: ({ rule }) => ruleText(rule) },
          { title: 'task', value: ({ task }) => task },
          { title: 'next', value: ({ nextAt, paused }) => nextAt ?? (paused ? 'paused' : 'ended') },
          { title: 'last', value: ({ lastAt }) => lastAt ?? '-' },
          { title: 'fired', value: ({ fired }) => fired, align: 'right' },
          { title: 'error', value: ({ error }) => error ?? '', style: () => 'red' },
        ])
        const last = found.at(-1)
        if (last !== undefined && found.length === flags.limit) output.note(`next page: --after ${last.name}`)
      }),
    )
}

function addShow(schedules: Command, host: Host): void {
  schedules
    .command('show')
    .argument('<schedule>', 'the schedule')
    .description('Show a schedule with its next runs.')
    .option('-n, --next <count>', 'how many of them', wholeNumber(1, 100), 5)
    .addHelpText('after', '\nExamples:\n  millrace schedules show nightly\n  millrace schedules show nightly --next 20')
    .action((name: string, { next }: { readonly next: number }, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const schedule = await millrace.schedules.get(name)
        const ahead = await millrace.schedules.next(name, next)
        if (output.isJson) return await output.json({ ...schedule, next: ahead })
        await printSchedule(output, schedule)
        for (const instant of ahead) await output.line(`  ${instant}`)
      }),
    )
}

async function printSchedule(output: Session['output'], schedule: ScheduleView): Promise<void> {
  await printFacts(output, [
    ['schedule', schedule.name],
    ['rule', ruleText(schedule.rule)],
    ['task', `${schedule.task} in ${schedule.queue}`],
    ['input', safeJson(schedule.input) ?? '-'],
    ['options', Object.keys(schedule.options).length === 0 ? undefined : safeJson(schedule.options)],
    ['missed', schedule.missed],
    ['from', schedule.starts],
    ['until', schedule.ends],
    ['limit', schedule.limit],
    ['overlap', schedule.noOverlap ? 'none' : undefined],
    ['state', schedule.paused ? 'paused' : schedule.nextAt === undefined ? 'ended' : 'active'],
    ['next', schedule.nextAt],
    ['last', schedule.lastAt],
    ['fired', schedule.fired],
    ['error', schedule.error],
  ])
}

const CHANGES = {
  pause: { method: 'pause', description: 'Let a schedule not fire until it is resumed.' },
  resume: { method: 'resume', description: 'Let a paused schedule fire again.' },
  skip: { method: 'skipNext', description: 'Leave out the next firing of a schedule.' },
} as const

function addChange(schedules: Command, host: Host, verb: keyof typeof CHANGES): void {
  const { method, description } = CHANGES[verb]
  schedules
    .command(verb)
    .argument('<schedule>', 'the schedule')
    .description(description)
    .addHelpText('after', `\nExamples:\n  millrace schedules ${verb} nightly`)
    .action((name: string, _flags, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const schedule = await millrace.schedules[method](name)
        if (output.isJson) return await output.json(schedule)
        const when = schedule.paused ? 'is paused' : `fires next at ${schedule.nextAt ?? '-'}`
        await output.line(`${printable(schedule.name)} ${when}`)
      }),
    )
}

function addRun(schedules: Command, host: Host): void {
  schedules
    .command('run')
    .argument('<schedule>', 'the schedule')
    .description('Add the task of a schedule now, beside its firings.')
    .addHelpText('after', '\nExamples:\n  millrace schedules run nightly')
    .action((name: string, _flags, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const added = await millrace.schedules.runNow(name)
        if (output.isJson) return await output.json(added)
        await output.line(`added ${printable(added.id)}`)
      }),
    )
}

function addRm(schedules: Command, host: Host): void {
  schedules
    .command('rm')
    .argument('<schedule>', 'the schedule')
    .description('Remove a schedule. Tasks that it has added stay.')
    .addHelpText('after', '\nExamples:\n  millrace schedules rm nightly')
    .action((name: string, _flags, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        await millrace.schedules.remove(name)
        if (output.isJson) return await output.json({ removed: name })
        await output.line(`removed ${printable(name)}`)
      }),
    )
}

function ruleText(rule: ScheduleRule): string {
  if ('cron' in rule) return `${rule.cron} (${rule.timeZone ?? 'UTC'})`
  if ('every' in rule) return `every ${rule.every / 1_000} s`
  return `once at ${new Date(rule.at).toISOString()}`
}
