// Runs npm's forge on this folder: `node contracts/forge.mjs test`. The binary is started directly,
// because the package's own wrapper leaves it behind when it is killed.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const contracts = dirname(fileURLToPath(import.meta.url))
const root = dirname(contracts)
const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch]
const name = `forge-${process.platform}-${architecture}/bin/forge${process.platform === 'win32' ? '.exe' : ''}`
const forge = createRequire(join(root, 'node_modules/@foundry-rs/forge/')).resolve(`@foundry-rs/${name}`)

const child = spawn(forge, [...process.argv.slice(2), '--root', root], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, FOUNDRY_CONFIG: join(contracts, 'foundry.toml') },
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('error', (error) => {
  console.error(`forge cannot be started: ${error.message}\nFix: run npm ci.`)
  process.exit(1)
})
child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)))
