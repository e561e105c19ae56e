// Runs a TypeScript file of this repository on the Node.js that the repository pins:
//   node scripts/pinned-node.mjs <script.ts, from the repository's root> [arguments]
// This file itself must run on the Node.js that a newcomer happens to have (18 or later), hence plain JavaScript.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const oldestMajor = 24

const [script, ...args] = process.argv.slice(2)
if (script === undefined) refuse('Name a script: node scripts/pinned-node.mjs <script.ts> [arguments].', 2)
if (!installed()) install()
run(
  pinnedNode() ??
    refuse(
      `Millrace needs Node.js ${oldestMajor} or later; this is ${process.version}, and its own copy could not be installed.`,
      1,
    ),
)

/** Whether `node_modules` holds every version that package-lock.json names. Times of files say nothing after a checkout. */
function installed() {
  const wanted = lockedPackages(join(root, 'package-lock.json'))
  const present = lockedPackages(join(modules, '.package-lock.json'))
  if (wanted === undefined) return present !== undefined
  if (present === undefined) return false
  return Object.entries(wanted).every(([path, { version, link, optional, devOptional }]) => {
    if (!path.startsWith('node_modules/') || link) return true
    const there = present[path]
    return there === undefined ? Boolean(optional || devOptional) : there.version === version
  })
}

function lockedPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages
  } catch {
    return undefined
  }
}

function install() {
  say('Installing the dependencies (npm ci) ...')
  if (npm('ci') || npm('install')) return
  refuse('The dependencies could not be installed; the lines above say why.', 1)
}

function pinnedNode() {
  const found = pinnedBinary()
  if (found !== undefined) return found
  // A package manager that blocks install scripts leaves the package without its binary.
  if (existsSync(join(modules, 'node', 'package.json'))) {
    say('Installing the pinned Node.js (npm rebuild node) ...')
    npm('rebuild', 'node', '--ignore-scripts=false', '--foreground-scripts')
  }
  return pinnedBinary() ?? (Number.parseInt(process.versions.node, 10) >= oldestMajor ? process.execPath : undefined)
}

function pinnedBinary() {
  return ['node', 'node.exe'].map((name) => join(modules, 'node', 'bin', name)).find((file) => existsSync(file))
}

function npm(...command) {
  const cli = process.env['npm_execpath']
  const [file, first] = cli?.endsWith('npm-cli.js') ? [process.execPath, [cli]] : ['npm', []]
  const options = ['--no-audit', '--no-fund', '--loglevel=error']
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ofTheCallingNpm(name)))
  return spawnSync(file, [...first, ...command, ...options], { cwd: root, env, stdio: ['ignore', 2, 2] }).status === 0
}

/** What `npm run -w x` leaves behind would narrow a nested npm to that workspace. */
function ofTheCallingNpm(name) {
  return /^npm_config_(workspaces?|include_workspace_root|local_prefix|prefix)$/i.test(name)
}

function run(node) {
  const flags = ['--conditions=millrace-source', '--disable-warning=ExperimentalWarning']
  const child = spawn(node, [...flags, resolve(root, script), ...args], {
    cwd: root,
    // A group of its own: a terminal's Ctrl-C reaches this process only, which hands it on once.
    detached: process.platform !== 'win32',
    env: {
      ...process.env,
      INIT_CWD: process.env['INIT_CWD'] ?? process.cwd(),
      PATH: [dirname(node), join(modules, '.bin'), process.env['PATH']].join(delimiter),
    },
    stdio: 'inherit',
  })
  forwardSignals(child)
  child.on('error', (error) => refuse(`The pinned Node.js at ${node} does not start: ${error.message}.`, 1))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}

/** npm hands on the signal that the terminal has sent to this process already: the same one within half a second counts once. */
function forwardSignals(child) {
  const forwarded = new Map()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      const now = Date.now()
      if (now - (forwarded.get(signal) ?? 0) < 500) return
      forwarded.set(signal, now)
      child.kill(signal)
    })
  }
}

function say(line) {
  process.stderr.write(`millrace: ${line}\n`)
}

function refuse(line, code) {
  say(line)
  process.exit(code)
}
