import type { Command } from 'commander'
import type { Host } from '../host.ts'
import { bytes } from '../output/amount.ts'
import { printTable } from '../output/table.ts'
import { withMillrace } from '../session.ts'

/** `millrace topics`: what there is to listen to. */
export function addTopics(program: Command, host: Host): void {
  program
    .command('topics')
    .description('List the topics with their partitions, events and groups.')
    .addHelpText('after', '\nExamples:\n  millrace topics\n  millrace topics --json | jq -r .[].topic')
    .action((_options, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const topics = await millrace.topics()
        if (output.isJson) return await output.json(topics)
        if (topics.length === 0)
          return output.note('There is no topic yet. Try: millrace publish hello.said \'{"to": "world"}\'')
        await printTable(output, topics, [
          { title: 'topic', value: (topic) => topic.topic },
          { title: 'partitions', value: (topic) => topic.partitions, align: 'right' },
          { title: 'held', value: (topic) => topic.held, align: 'right' },
          { title: 'published', value: (topic) => topic.published, align: 'right' },
          { title: 'size', value: (topic) => bytes(topic.bytes), align: 'right' },
          { title: 'groups', value: (topic) => topic.groups.join(', ') || '-' },
        ])
      }),
    )
}
