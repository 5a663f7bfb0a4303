/**
 * What a dispute costs: gas as `npm run contracts:test` holds it, and an honest prover's time, memory and traffic
 * for a real run, with what that comes to for a longer one.
 */
import { readFileSync } from 'node:fs'
import type { Backend } from '../src/exact/Backend.ts'
import { startStateRoots } from '../src/exact/run/startStateRoots.ts'
import { byteLength } from '../src/exact/Tensor.ts'
import { bytesOf, drawParameters } from '../src/exact/train/startRun.ts'
import { batchOf } from '../src/exact/data.ts'
import { startWasm } from '../src/exact/wasm/startWasm.ts'
import type { Party } from '../src/protocol/dispute/Position.ts'
import { stringify } from '../src/protocol/Json.ts'
import { challengerMove } from '../src/verification/dispute/challengerMove.ts'
import { claimantMove } from '../src/verification/dispute/claimantMove.ts'
import { recordRun } from '../src/verification/dispute/recordRun.ts'
import { type Prover, startProver } from '../src/verification/dispute/startProver.ts'
import { claimOf, type Player, playOut } from '../test/exactDisputes.ts'
import type { Bench, Figures } from './Bench.ts'
import { length, modelOf, rowsOf, seed, trainingGraphOf, trainingText } from './exact/models.ts'
import { median } from './interleave.ts'
import { table } from './table.ts'

export const bench: Bench = {
  description: 'gas of a dispute, and what it takes an honest prover',
  async run({ say }): Promise<Figures> {
    const gas = gasFigures()
    say(table(['gas', 'measured', 'at most'], gas.rows))
    await using backend = await startWasm({ threads: 1 })
    const { rows, commitShare, ...played } = await dispute(backend)
    say(`\n${table(['one dispute about a real run', 'figure'], rows)}`)
    return { ...gas.figures, commitShare, ...played }
  },
}

/** Gas from the committed snapshots: forge fails when it is no longer so. */
function gasFigures() {
  const read = (name: string) =>
    JSON.parse(readFileSync(`contracts/snapshots/${name}.json`, 'utf8')) as Record<string, string>
  const [judge, disputes] = [read('ExactJudge'), read('Disputes')]
  const of = (from: Record<string, string>, name: string) => {
    if (from[name] === undefined) throw new RangeError(`No gas snapshot is named ${name}.`)
    return Number(from[name])
  }
  // A claimant may choose a segment that is dear to judge: the deciding call with the dearest arithmetic.
  const worst =
    of(disputes, 'prove arithmetic') -
    of(judge, '64 terms, execution') +
    of(judge, '64 terms of subnormals, execution')
  const figures = {
    gasSegment64: of(judge, '64 terms with two proofs of depth 20'),
    gasExp: of(judge, 'exp, execution'),
    gasWorstOp: Math.max(worst, of(disputes, 'prove read')),
    gasDispute: of(disputes, 'a whole dispute'),
    movesPerSide: of(disputes, 'moves of the claimant'),
    gasProveRead: of(disputes, 'prove read'),
    gasProveArithmetic: of(disputes, 'prove arithmetic'),
  }
  const rows = [
    ['64 terms and two proofs of depth 20, a transaction', figures.gasSegment64, '110000'],
    ['exp, execution', figures.gasExp, '9000'],
    ['the dearest deciding transaction', figures.gasWorstOp, '400000'],
    ['prove-read, paths of 12 and 20', figures.gasProveRead, '400000'],
    ['prove-arithmetic, 64 terms', figures.gasProveArithmetic, '110000'],
    ['100,000 steps of 10 M parameters, all on chain', figures.gasDispute, '2500000'],
    ['moves a side in it', figures.movesPerSide, '16'],
  ]
  return { figures, rows }
}

/** A run of the 3.3 M parameter decoder, and a dispute about a step in which one bit of a weight was read wrongly. */
async function dispute(backend: Backend) {
  const [steps, wrong] = [8, 5]
  const model = modelOf('d256')
  const graph = trainingGraphOf('d256', model)
  const data = trainingText()
  const parameters = await drawParameters({ backend }, { ...model, seed })
  const start = graph.state.map((slot, at) => parameters[at] ?? new Uint8Array(byteLength(slot)))
  const slot = graph.state.findIndex(({ name }) => name.includes('q_proj'))
  const options = { graph, start, data, seed, worker: 0, steps }
  const share = await overhead(backend, options)
  const liar = await proverOf(misreading(backend, { slot, wrong }), options)
  const honest = await proverOf(backend, options)
  const played = await play({ claimant: liar, challenger: honest })
  const { moves, bytes, claimantMs, challengerMs, reason } = played
  const peak = process.resourceUsage().maxRSS / 1024
  const stateBytes = graph.state.reduce((sum, each) => sum + byteLength(each), 0)
  const rows = [
    ['parameters and optimiser state, MB', (stateBytes / 1e6).toFixed(0)],
    ['a step, ms', share.stepMs.toFixed(0)],
    [
      'its state root, ms (percent of both)',
      `${share.rootMs.toFixed(0)} (${(share.share * 100).toFixed(1)})`,
    ],
    ['moves, bytes of all', `${moves}, ${bytes}`],
    ['ended by', reason],
    [
      'claimant, ms; in steps',
      `${claimantMs.toFixed(0)}; ${(claimantMs / share.stepMs).toFixed(1)}`,
    ],
    [
      'challenger, ms; in steps',
      `${challengerMs.toFixed(0)}; ${(challengerMs / share.stepMs).toFixed(1)}`,
    ],
    ['peak memory of both provers and the run, MB', peak.toFixed(0)],
    [
      '100,000 steps, a checkpoint each 316: steps to compute again',
      `at most 316 + ${(Math.max(claimantMs, challengerMs) / share.stepMs).toFixed(0)}`,
    ],
  ]
  return {
    rows,
    commitShare: share.share,
    proverSteps: Math.max(claimantMs, challengerMs) / share.stepMs,
    disputeBytes: bytes,
    peakMemoryMb: peak,
  }
}

type Options = Parameters<typeof recordRun>[1] & { readonly data: Uint8Array }

/** What being disputable costs who is never challenged: a state root after each step. */
async function overhead(backend: Backend, { graph, start, data }: Options) {
  await using executable = await backend.prepare({ ...graph, results: [] })
  start.forEach((bytes, at) => executable.writeState(at, bytes))
  const root = startStateRoots({ graph, readState: (at) => executable.readState(at) })
  const times = Array.from({ length: 6 }, (_, step) => {
    const rows = rowsOf('d256')
    const batch = [bytesOf(batchOf(data, { seed, step, rows, length: length + 1 }))]
    const began = performance.now()
    executable.step(batch)
    const stepped = performance.now()
    root()
    return { stepMs: stepped - began, rootMs: performance.now() - stepped }
  }).slice(1)
  const stepMs = median(times.map((each) => each.stepMs))
  const rootMs = median(times.map((each) => each.rootMs))
  return { stepMs, rootMs, share: rootMs / (stepMs + rootMs) }
}

async function proverOf(backend: Backend, options: Options) {
  const { stateRoots, checkpoints } = await recordRun({ backend }, options)
  return startProver({ backend }, { ...options, stateRoots, checkpoints })
}

/** A back end that reads one bit of a weight wrongly in one step. */
function misreading(backend: Backend, { slot, wrong }: { slot: number; wrong: number }): Backend {
  return {
    ...backend,
    async prepare(graph, options) {
      const executable = await backend.prepare(graph, options)
      const counter = graph.state.findIndex(({ name }) => name === 'step')
      return {
        ...executable,
        step(batch) {
          if (executable.readState(counter)[0] === wrong) {
            const bytes = executable.readState(slot).slice()
            bytes[1026]! ^= 0x40
            executable.writeState(slot, bytes)
          }
          return executable.step(batch)
        },
      }
    },
  }
}

/** Plays to the end, and counts. */
async function play({ claimant, challenger }: Record<Party, Prover>) {
  const spent = { claimant: 0, challenger: 0 }
  const timed =
    (party: Party, player: Player): Player =>
    async (...seat) => {
      const began = performance.now()
      const move = await player(...seat)
      spent[party] += performance.now() - began
      return move
    }
  const { winner, reason, moves } = await playOut(claimOf(claimant), {
    claimant: timed('claimant', (position) => claimantMove(claimant, position)),
    challenger: timed('challenger', (at, shown) => challengerMove(challenger, at, shown)),
  })
  if (winner !== 'challenger') throw new Error('The honest challenger lost.')
  const bytes = moves.reduce((sum, move) => sum + stringify(move).length / 2, 0)
  return {
    moves: moves.length,
    bytes: Math.round(bytes),
    reason,
    claimantMs: spent.claimant,
    challengerMs: spent.challenger,
  }
}
