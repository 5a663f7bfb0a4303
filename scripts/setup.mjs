// Installs what package-lock.json says when it is newer than node_modules, and builds the explorer's page
// when its source is newer. Runs before `npm start` and `npm test`, on any Node from 18 up; everything
// after it runs on the Node 24 that is installed here. With `--runtimes`, as before tests, it also installs
// the other versions of Node that the exact engine is tried on.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const runtimes = join(root, 'test', 'runtimes')

if (isOutdated(root)) {
  console.error('weft: installing dependencies with npm ci (once, about a minute) ...')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  console.error('weft: dependencies are installed.')
}

if (process.argv.includes('--runtimes') && isOutdated(runtimes)) {
  console.error('weft: installing Node 22 and 26 for the tests (once, 400 MB) ...')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], runtimes)
}

const page = join(root, 'explorer')
const built = join(page, 'dist', 'index.html')
const sources = ['src', 'public', 'index.html', 'vite.config.ts', 'package.json']

if (!existsSync(built) || sources.some((name) => newest(join(page, name)) > newest(built))) {
  console.error("weft: building the explorer's page ...")
  run('npm', [
    'run',
    'build',
    '--workspace',
    '@weft/explorer',
    '--silent',
    '--',
    '--logLevel',
    'warn',
  ])
}

/** Whether a folder's lockfile is newer than what is installed there. */
function isOutdated(folder) {
  const marker = join(folder, 'node_modules', '.package-lock.json')
  const lock = join(folder, 'package-lock.json')
  return !existsSync(marker) || statSync(lock).mtimeMs > statSync(marker).mtimeMs
}

/** When the newest file of a folder, or the file itself, was written. */
function newest(path) {
  const { mtimeMs } = statSync(path)
  if (!statSync(path).isDirectory()) return mtimeMs
  return Math.max(mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))))
}

function run(command, args, cwd = root) {
  const { status, error } = spawnSync(command, args, {
    cwd,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (status === 0) return
  console.error(
    `weft: \`${command} ${args.join(' ')}\` failed${error ? `: ${error.message}` : ''}.`,
  )
  console.error(
    args[0] === 'ci'
      ? 'Fix: check that npm can reach its registry, then run the command again.'
      : 'Fix: read the lines above; `npm ci` repairs a broken installation.',
  )
  process.exit(status ?? 1)
}
