// Installs what package-lock.json says when it is newer than node_modules. Runs before `npm start` and
// `npm test`, on any Node from 18 up; everything after it runs on the Node 24 that is installed here.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const lock = join(root, 'package-lock.json')
const marker = join(root, 'node_modules', '.package-lock.json')

if (!existsSync(marker) || statSync(lock).mtimeMs > statSync(marker).mtimeMs) {
  console.error('weft: installing dependencies with npm ci (once, about a minute) ...')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  console.error('weft: dependencies are installed.')
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (status === 0) return
  console.error(
    `weft: \`${command} ${args.join(' ')}\` failed${error ? `: ${error.message}` : ''}.`,
  )
  console.error('Fix: check that npm can reach its registry, then run the command again.')
  process.exit(status ?? 1)
}
