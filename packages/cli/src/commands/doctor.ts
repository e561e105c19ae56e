import type { Command } from 'commander'
import type { Finding } from '@millrace/core'
import type { Host } from '../host.ts'
import { printTable } from '../output/table.ts'
import { withMillrace } from '../session.ts'

/** `millrace doctor`: what is the case with the engine, and what to do. */
export function addDoctor(program: Command, host: Host): void {
  program
    .command('doctor')
    .description('Check the engine: version, durability, rights, limits and what is left over.')
    .option('--verify', 'also verify what is stored (reads everything; takes a while)')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace doctor\n  millrace doctor --verify --json\n\nEnds with 1 when there is a problem.',
    )
    .action(({ verify = false }: { readonly verify?: boolean }, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, settings, output }) => {
        const findings = await millrace.diagnose({ verify })
        const { capabilities } = millrace
        if (findings.some((finding) => finding.level === 'problem')) host.fail()
        const { engine, engineVersion, durability } = capabilities
        if (output.isJson) {
          return await output.json({
            engine,
            engineVersion,
            durability,
            url: settings.engineName,
            config: settings.configPath ?? null,
            capabilities,
            findings,
          })
        }
        const facts: readonly Finding[] = [
          { check: 'engine', level: 'fine', text: `${engine} ${engineVersion} (${settings.engineName})` },
          { check: 'durability', level: 'fine', text: `stored means ${durability}` },
          { check: 'configuration', level: 'fine', text: settings.configPath ?? 'none' },
        ]
        const own = new Set(facts.map((fact) => fact.check))
        await printTable(
          output,
          [...facts, ...findings.filter((finding) => !own.has(finding.check) || finding.level !== 'fine')],
          [
            { title: '', value: (row) => MARKS[row.level], style: (row) => STYLES[row.level] },
            { title: 'check', value: (row) => row.check },
            { title: 'finding', value: (row) => row.text },
          ],
        )
      }),
    )
}

const MARKS = { fine: 'ok', notice: 'note', problem: 'FAIL' } as const
const STYLES = { fine: 'green', notice: 'yellow', problem: 'red' } as const
