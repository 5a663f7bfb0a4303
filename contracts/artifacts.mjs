// Writes src/chain/artifacts.ts: what forge made of the contracts, for TypeScript. With --check it only
// says whether that file is up to date.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const contracts = dirname(fileURLToPath(import.meta.url))
const target = join(contracts, '../src/chain/artifacts.ts')
const names = ['TestUSD', 'ProviderRegistry', 'Vault', 'ExactJudge', 'DisputeRules', 'Disputes']

const build = spawnSync(
  process.execPath,
  [join(contracts, 'forge.mjs'), 'build', '--skip', 'test', '--quiet'],
  { stdio: ['ignore', 2, 2] },
)
if (build.status !== 0) process.exit(build.status ?? 1)

const texts = names.map((name) => {
  const { abi, bytecode } = JSON.parse(
    readFileSync(join(contracts, `out/${name}.sol/${name}.json`), 'utf8'),
  )
  const variable = name === 'TestUSD' ? 'testUsd' : name[0].toLowerCase() + name.slice(1)
  return `export const ${variable} = {
  abi: ${JSON.stringify(abi)},
  bytecode: '${bytecode.object}',
} as const
`
})
const text = `/** Generated from contracts/src by \`npm run contracts:build\`; do not edit. */\n${texts.join('\n')}`

if (!process.argv.includes('--check')) {
  writeFileSync(target, text)
} else if (text !== readFileSync(target, 'utf8')) {
  console.error('src/chain/artifacts.ts is not what contracts/src compiles to.')
  console.error('Fix: npm run contracts:build')
  process.exit(1)
}
