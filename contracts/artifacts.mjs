// Writes what forge made of the contracts, for TypeScript: src/chain/artifacts.ts, and contracts/testing.json
// with the bytecode of those that only tests call. With --check it only says whether they are up to date.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const contracts = dirname(fileURLToPath(import.meta.url))
const names = ['TestUSD', 'ProviderRegistry', 'Vault', 'ExactJudge', 'DisputeRules', 'Disputes']
const testing = ['ManyCalls', 'JudgeCosts', 'ReadsOf']

const build = spawnSync(
  process.execPath,
  [join(contracts, 'forge.mjs'), 'build', '--skip', 'test', '--quiet'],
  { stdio: ['ignore', 2, 2] },
)
if (build.status !== 0) process.exit(build.status ?? 1)

const compiled = (name) =>
  JSON.parse(readFileSync(join(contracts, `out/${name}.sol/${name}.json`), 'utf8'))
const texts = names.map((name) => {
  const { abi, bytecode } = compiled(name)
  const variable = name === 'TestUSD' ? 'testUsd' : name[0].toLowerCase() + name.slice(1)
  return `export const ${variable} = {
  abi: ${JSON.stringify(abi)},
  bytecode: '${bytecode.object}',
} as const
`
})
const bytecodes = testing.map((name) => [name, compiled(name).bytecode.object])
const files = {
  'src/chain/artifacts.ts': `/** Generated from contracts/src by \`npm run contracts:build\`; do not edit. */\n${texts.join('\n')}`,
  'contracts/testing.json': `${JSON.stringify(Object.fromEntries(bytecodes), null, 2)}\n`,
}

for (const [file, text] of Object.entries(files)) {
  const path = join(contracts, '..', file)
  if (!process.argv.includes('--check')) {
    writeFileSync(path, text)
  } else if (!existsSync(path) || text !== readFileSync(path, 'utf8')) {
    console.error(`${file} is not what contracts/src compiles to.`)
    console.error('Fix: npm run contracts:build')
    process.exitCode = 1
  }
}
