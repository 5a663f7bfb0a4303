/** Disputes about faulty runs by the hundred: who must lose each, and where it must end. */
import type { ExactClaim } from '../src/protocol/ExactClaim.ts'
import * as Hex from '../src/protocol/Hex.ts'
import type { Party } from '../src/protocol/dispute/Position.ts'
import { type Claimed, claimRun, type Played, type Player, playOut } from './exactDisputes.ts'
import {
  changedStart,
  type Dice,
  diceOf,
  equivocatingClaimant,
  honestChallenger,
  honestClaimant,
  type Injected,
  kinds,
  lyingChallenger,
  lyingClaimant,
  staller,
} from './exactFaults.ts'
import { decoderTraining, generation, type TinyRun } from './exactRuns.ts'

/** One dispute: what was wrong, who had to lose, and what came of it. */
export type Report = {
  readonly number: number
  readonly scenario: string
  readonly fault: string
  readonly guilty: Party
  readonly played: Played
  /** What went otherwise than it must; empty when all is well. */
  readonly problems: readonly string[]
  readonly claim: ExactClaim
}

/** Faults in the run, lies in the game, false claims, and lies against a true claim. */
export const scenarios = [
  ...(Object.keys(kinds) as (keyof typeof kinds)[]),
  'other data',
  'other start',
  'lying prover',
  'equivocation',
  'stalling claimant',
  'false end',
  'false run',
  'lying challenger',
  'stalling challenger',
] as const
export type Scenario = (typeof scenarios)[number]

/** Plays `count` disputes, each drawn from its number. */
export async function* playFaults({
  first = 0,
  count,
  play = playOut,
}: playFaults.Options): AsyncGenerator<Report> {
  const runs = [
    await decoderTraining({ length: 3 }),
    await decoderTraining({ length: 3, profile: 'i8', steps: 3, worker: 2 }),
    await decoderTraining({ length: 3, profile: 'i8x3', steps: 1 }),
    await generation(),
  ]
  const honest = await Promise.all(runs.map((run) => claimRun(run)))
  for (let number = first; number < first + count; number++) {
    const dice = diceOf(`fault ${number}`)
    const scenario = scenarios[number % scenarios.length]!
    const kind = dice.below(runs.length)
    const at = /order|data/.test(scenario) && runs[kind]!.graph.batch.length === 0 ? 0 : kind
    const setting = { number, scenario, dice, run: runs[at]!, honest: honest[at]!, play }
    yield await playFault(setting)
  }
}

export declare namespace playFaults {
  type Options = {
    first?: number
    count: number
    /** Where it is played. @default the game alone */
    play?: typeof playOut
  }
}

type Setting = {
  readonly number: number
  readonly scenario: Scenario
  readonly dice: Dice
  readonly run: TinyRun
  readonly honest: Claimed
  readonly play: typeof playOut
}

async function playFault(setting: Setting): Promise<Report> {
  const { scenario, dice, honest } = setting
  const challenger = honestChallenger(honest.prover)
  const claimant = honestClaimant(honest.prover)
  const { claim } = honest
  if (scenario === 'lying challenger') return against(setting, lyingChallenger(honest.prover, dice))
  if (scenario === 'stalling challenger')
    return against(setting, staller(lyingChallenger(honest.prover, dice), dice))
  if (scenario === 'false end' || scenario === 'false run') {
    const changed = scenario === 'false end' ? 'end' : 'run'
    const falsified = { ...claim, [changed]: Hex.sha256(claim[changed]) }
    return convict(setting, { claim: falsified, claimant, challenger })
  }
  if (scenario === 'other data') return convict(setting, await withOtherData(setting))
  if (scenario === 'other start') return convict(setting, await withOtherStart(setting))
  const { injected, liar } = await inject(setting)
  const truthful = honestClaimant(liar.prover)
  const players: Readonly<Record<string, Player>> = {
    'lying prover': lyingClaimant(liar.prover, dice),
    equivocation: equivocatingClaimant(truthful, dice),
    'stalling claimant': staller(truthful, dice),
  }
  const player = players[scenario] ?? truthful
  return convict(setting, { claim: liar.claim, claimant: player, challenger, injected })
}

/** What those lie about who lie in the game. */
const mixed = ['order', 'weight', 'activation', 'kernel'] as const

/** Reads other data than the claim says, and shows its bytes as operands. */
async function withOtherData({ run, honest, dice }: Setting): Promise<Trial> {
  const data = run.data!.map((byte) => byte ^ 1)
  const { prover, claim } = await claimRun({ ...run, data, batch: run.batchOf(data) })
  const changed = { ...claim, data: honest.claim.data }
  const challenger = honestChallenger(honest.prover)
  const isWhole = dice.below(2) === 0
  return {
    claim: changed,
    claimant: honestClaimant(isWhole ? prover : { ...prover, data: run.data }),
    challenger,
    reason: isWhole ? 'read' : 'arithmetic',
  }
}

/** Begins from another state than the claim says, and shows its bytes as operands. */
async function withOtherStart({ run, honest, dice }: Setting): Promise<Trial> {
  for (;;) {
    const start = changedStart(run, dice)
    const { prover, claim } = await claimRun({ ...run, start })
    if (claim.run === honest.claim.run) continue
    const before = honest.claim.start
    const player = honestClaimant(prover)
    return {
      claim: { ...claim, start: before },
      claimant: async (...turn) => {
        const move = await player(...turn)
        return move?.type === 'enter' && move.path.length === 0 ? { ...move, before } : move
      },
      challenger: honestChallenger(honest.prover),
    }
  }
}

/** A fault that changes the run: some are lost in rounding, and leave a true claim. */
async function inject({ scenario, dice, run, honest }: Setting) {
  for (let attempt = 0; attempt < 100; attempt++) {
    const isKind = scenario in kinds
    const others = run.data ? mixed : mixed.slice(1)
    const kind = isKind ? (scenario as keyof typeof kinds) : dice.pick(others)
    const injected = kinds[kind](run, dice)
    const liar = await claimRun(run, { fault: injected.fault })
    if (liar.claim.run !== honest.claim.run) return { injected, liar }
  }
  throw new Error(`No fault of the kind ${scenario} changes the run.`)
}

type Trial = {
  readonly claim: ExactClaim
  readonly claimant: Player
  readonly challenger: Player
  readonly injected?: Injected
  readonly reason?: Played['reason']
}

/** A false claim, which must fall. */
async function convict(setting: Setting, trial: Trial): Promise<Report> {
  const { number, scenario, play } = setting
  const { claim, claimant, challenger, injected, reason } = trial
  const played = await play(claim, { claimant, challenger })
  const problems = played.winner === 'challenger' ? [] : [`the ${played.winner} wins`]
  if (reason && played.reason !== reason) problems.push(`${played.reason}, not ${reason}`)
  if (injected && scenario in kinds) problems.push(...misplaced(injected, played))
  const fault = injected?.name ?? scenario
  return { number, scenario, fault, guilty: 'claimant', played, problems, claim }
}

/** A true claim, which must stand. */
async function against(
  { number, scenario, honest, play }: Setting,
  challenger: Player,
): Promise<Report> {
  const { claim, prover } = honest
  const played = await play(claim, { claimant: honestClaimant(prover), challenger })
  const problems = played.winner === 'claimant' ? [] : [`the ${played.winner} wins`]
  return { number, scenario, fault: scenario, guilty: 'challenger', played, problems, claim }
}

/** Whether the dispute ended where the fault was put. */
function misplaced({ step, at, element }: Injected, { position, reason }: Played): string[] {
  const problems: string[] = []
  const expect = (what: string, found: unknown, expected: unknown) => {
    if (found !== expected) problems.push(`${what} ${String(found)}, not ${String(expected)}`)
  }
  if (step !== undefined) expect('step', position.step, step)
  if (!at) return problems
  if ('slot' in at) {
    expect('reason', reason, 'slot')
    expect('slot', position.index, at.slot)
    return problems
  }
  expect('value', position.value, at.value)
  if (element !== undefined) expect('element', position.element, element)
  return problems
}
