import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** `name@version` of a package as it is installed here. */
export function withVersion(name: string): string {
  const folders = [
    join(import.meta.dirname, '..', 'node_modules'),
    join(import.meta.dirname, '..', '..', 'node_modules'),
  ]
  for (const folder of folders) {
    try {
      const { version } = JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')) as { version: string }
      return `${name}@${version}`
    } catch {
      continue
    }
  }
  return name
}
