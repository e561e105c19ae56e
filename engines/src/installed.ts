import { execFile } from 'node:child_process'
import { access, constants, readdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { fetchProgram, findFetched, isFetched, type FetchedProgram } from './fetched.ts'

/** The programs that tests use and the packages of the repository do not bring. */
export type Program = 'redis-server' | 'postgres' | 'pgbouncer' | 'chromium' | 'strace' | 'libfaketime' | FetchedProgram

/** The Debian package of a program, where it has another name. */
const PACKAGES: Partial<Record<Program, string>> = { postgres: 'postgresql' }

/** Where Debian keeps the programs of each version of PostgreSQL. */
const POSTGRES_VERSIONS = '/usr/lib/postgresql'

/** The file of the package that is wanted, where it is not the program itself. */
const FILES: Partial<Record<Program, string>> = { libfaketime: 'libfaketime.so.1' }

/** Where Debian keeps the libraries of each architecture, in a folder of the package. */
const LIBRARIES = '/usr/lib'

const run = promisify(execFile)
const onTheWay = new Map<Program, Promise<string>>()
let installing: Promise<void> = Promise.resolve()
let listsUpdated = false

/**
 * Where the program is; where it is missing and this process is root, it is installed through apt first. Throws, with what to do, where it cannot be.
 */
export function ensureInstalled(program: Program): Promise<string> {
  const path = onTheWay.get(program) ?? findOrInstall(program)
  onTheWay.set(program, path)
  return path
}

/** Where the program is, if it is there. */
export async function installed(program: Program): Promise<string | undefined> {
  if (isFetched(program)) return findFetched(program)
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  if (program === 'postgres') folders.unshift(...(await postgresFolders()))
  if (program === 'libfaketime') folders.unshift(...(await libraryFolders('faketime')))
  for (const folder of folders) {
    const file = join(folder, FILES[program] ?? program)
    const there = await access(file, FILES[program] === undefined ? constants.X_OK : constants.R_OK).then(
      () => true,
      () => false,
    )
    if (there) return file
  }
  return undefined
}

/** What a program says of its version. The program is asked, as a server may want a password or TLS. */
export async function versionOf(file: string): Promise<string> {
  const { stdout } = await run(file, ['--version'])
  return /\d+(?:\.\d+)*/.exec(stdout)?.[0] ?? 'unknown'
}

async function findOrInstall(program: Program): Promise<string> {
  const found = await installed(program)
  if (found !== undefined) return found
  if (isFetched(program)) return fetchProgram(program)
  if (process.getuid?.() !== 0)
    throw new Error(`${program} is missing; install it: sudo apt-get install ${packageOf(program)}`)
  // One at a time: apt locks its database.
  installing = installing.catch(() => undefined).then(() => aptInstall(program))
  await installing
  const path = await installed(program)
  if (path === undefined) throw new Error(`apt-get installed ${program}, yet it is not on the PATH.`)
  return path
}

/** The newest version first. */
async function postgresFolders(): Promise<string[]> {
  const versions = await readdir(POSTGRES_VERSIONS).catch(() => [])
  return versions
    .toSorted((one, other) => Number(other) - Number(one))
    .map((each) => join(POSTGRES_VERSIONS, each, 'bin'))
}

async function libraryFolders(name: string): Promise<string[]> {
  const architectures = await readdir(LIBRARIES).catch(() => [])
  return architectures.map((architecture) => join(LIBRARIES, architecture, name))
}

function packageOf(program: Program): string {
  return PACKAGES[program] ?? program
}

async function aptInstall(program: Program): Promise<void> {
  process.stderr.write(`millrace: Installing ${program} (apt-get) ...\n`)
  // Run level 1 keeps a freshly installed package from starting its own service.
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }, maxBuffer: 64 << 20 }
  const install = (): Promise<unknown> =>
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', packageOf(program)], options)
  try {
    await install()
  } catch (error) {
    if (listsUpdated) throw error
    listsUpdated = true
    await run('apt-get', ['update', '-qq'], options)
    await install()
  }
}
