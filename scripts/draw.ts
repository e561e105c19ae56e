// npm run draw: draws the diagram of ARCHITECTURE.md anew from architecture.json.
import { readFileSync, writeFileSync } from 'node:fs'
import { readModuleTable } from '../test/architecture/module-table.ts'
import { withDiagram } from './architecture-diagram.ts'

const file = new URL('../ARCHITECTURE.md', import.meta.url)
writeFileSync(file, withDiagram(readFileSync(file, 'utf8'), readModuleTable()))
