import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MillraceError } from '@millrace/core'

/**
 * A package that only some need, from the project in `cwd`, or else from where the command is. Throws `config_invalid` with the package
 * to install when it is missing; `needer` begins that sentence.
 */
export async function importPackage(
  from: string,
  cwd: string,
  needer: string,
): Promise<Readonly<Record<string, unknown>>> {
  const specifiers = [resolvedFrom(from, cwd), from].filter((specifier) => specifier !== undefined)
  for (const specifier of specifiers) {
    try {
      return await import(specifier)
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  }
  throw new MillraceError(
    'config_invalid',
    `${needer} needs the package ${from}, which is not installed. Install it with: npm install ${from}`,
  )
}

/** The project's own copy comes first: a globally installed command must speak through the driver the project runs. */
function resolvedFrom(from: string, cwd: string): string | undefined {
  try {
    return pathToFileURL(createRequire(join(cwd, 'package.json')).resolve(from)).href
  } catch {
    return undefined
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
}
