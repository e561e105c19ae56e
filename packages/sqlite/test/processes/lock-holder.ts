import { DatabaseSync } from 'node:sqlite'

/** Takes the writer lock of a file, says so, and holds it until a line comes: as a process that was stopped would. */
const db = new DatabaseSync(process.argv[2] ?? '')
db.exec('BEGIN IMMEDIATE')
process.stdout.write('locked\n')
process.stdin.once('data', () => {
  db.exec('COMMIT')
  db.close()
  process.stdout.write('free\n')
  process.exit(0)
})
