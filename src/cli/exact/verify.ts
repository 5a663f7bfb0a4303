import { Command } from 'commander'
import type { Backend } from '../../exact/Backend.ts'
import * as RunRoot from '../../exact/commit/RunRoot.ts'
import * as StateRoot from '../../exact/commit/StateRoot.ts'
import { differences, bytesOf as bytesOfHash, hashOf, originOf } from '../../exact/run/Claim.ts'
import { replay } from '../../exact/run/replay.ts'
import type { Entry } from '../../exact/run/StepLog.ts'
import { parseInteger } from '../parseOptions.ts'
import { run } from '../run.ts'
import * as RunFile from './RunFile.ts'
import * as RunFolder from './RunFolder.ts'
import { sourceOf } from './sourceOf.ts'
import { startBackend } from './startBackend.ts'

type VerifyOptions = { data?: string; threads?: number; backend: string; json?: boolean }

/** `weft exact verify`: runs a run again and compares it step by step. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description(
      'run a run again and compare state roots step by step; exits with 1 when one differs',
    )
    .argument('<run>', 'folder of a run of train, or of generate --claim')
    .option('--data <file>', 'what it learnt from (default: where the run found it)')
    .option('--threads <count>', '1 to 8; changes no bit', parseInteger({ min: 1, max: 8 }))
    .option('--backend <name>', 'wasm, or reference (very slow); changes no bit', 'wasm')
    .option('--json', 'print one JSON line for machines')
    .action((folder: string, options: VerifyOptions) =>
      run(options, async () => {
        await using backend = await startBackend(options.backend, options)
        const finding = await verify({ backend }, folder, options)
        if (!finding.good) process.exitCode = 1
        if (options.json) return console.log(JSON.stringify(finding))
        console.log(finding.good ? 'The run is good.' : 'The run is NOT good.')
      }),
    )
}

/** What a check came to: where a run is not good, why, and the first step that differs if one does. */
type Finding =
  | { readonly good: true; readonly steps: number; readonly finished: boolean }
  | {
      readonly good: false
      readonly reason: string
      readonly step?: number
      readonly claimed?: string
      readonly found?: string
    }

async function verify(
  { backend }: { backend: Backend },
  folder: string,
  { data, json }: VerifyOptions,
): Promise<Finding> {
  const say = (text: string) => {
    if (!json) console.log(text)
  }
  const file = RunFile.read(folder)
  const { entries, isWhole } = RunFolder.readLog(folder)
  const source = await sourceOf({ backend }, file, { folder, data })
  const { graph, start } = source
  const startRoot = StateRoot.from(graph.state, start)
  const origin = originOf(graph, { startRoot, dataRoot: source.dataRoot, seed: file.seed })
  const differing = differences(RunFile.originOf(file), origin)
  const bad = (reason: string, more: Partial<Extract<Finding, { good: false }>> = {}): Finding => {
    say(`FAILED  ${reason}`)
    return { good: false, reason, ...more }
  }
  if (differing.length > 0)
    return bad(`What run.json says of its ${differing.join(' and its ')} is not what is here.`)
  say('ok      graph, first state, data and seed are as run.json says')
  const steps = Math.min(entries.length, file.steps)
  let last: string = origin.startRoot
  const steppedBy = replay({ backend }, { graph, start, steps, batchOf: source.batchOf })
  for await (const { step, root } of steppedBy) {
    last = hashOf(root)
    const { root: claimed } = entries[step]!
    if (claimed !== last)
      return bad(
        `Step ${step} is the first that differs: the run says ${claimed}, this machine gets ${last}.`,
        { step, claimed, found: last },
      )
    if (isMilestone(step + 1, steps)) say(`ok      ${step + 1} of ${file.steps} steps`)
  }
  const closing = end(file, { entries, isWhole, last })
  if (closing) return bad(closing)
  const finished = file.runRoot !== undefined
  if (finished) say(`ok      final state and run root ${file.runRoot}`)
  else say(`        the run is not finished: ${steps} of ${file.steps} steps could be checked`)
  return { good: true, steps, finished }
}

/** What is wrong with what a run says it came to. */
function end(
  { steps, finalRoot, runRoot }: RunFile.RunFile,
  { entries, isWhole, last }: { entries: readonly Entry[]; isWhole: boolean; last: string },
): string | undefined {
  if (runRoot === undefined) return undefined
  if (entries.length < steps || !isWhole)
    return `The log of steps ends after step ${entries.length - 1} of a finished run of ${steps} steps.`
  if (finalRoot !== last) return `The final state is ${last}, not ${finalRoot} as run.json says.`
  const root = hashOf(RunRoot.from(entries.slice(0, steps).map((entry) => bytesOfHash(entry.root))))
  return root === runRoot ? undefined : `The run root is ${root}, not ${runRoot} as run.json says.`
}

function isMilestone(step: number, steps: number): boolean {
  return step === steps || step % Math.max(10, Math.ceil(steps / 5)) === 0
}
