import { Command } from 'commander'
import type { Chain, ChainEvent, DisputeState } from '../../chain/Chain.ts'
import * as Hex from '../../protocol/Hex.ts'
import * as Json from '../../protocol/Json.ts'
import { BaseError } from '../../runtime/Errors.ts'
import { whereOf } from '../../indexer/disputeGame.ts'
import { type Dispute, dispute as after } from '../../indexer/disputes.ts'
import { joinNetwork, withPartyOptions, type PartyOptions } from '../joinNetwork.ts'
import { formatUsd } from '../money.ts'
import { run } from '../run.ts'

type StatusOptions = PartyOptions & { all?: boolean }

/** `weft dispute status`: where disputes stand, in words. */
export function statusCommand(): Command {
  return withPartyOptions(new Command('status'))
    .description('show where disputes stand: what is agreed, whose turn it is, what the clocks say')
    .argument('[dispute]', 'one dispute, with all its moves (default: those of our own account)')
    .option('--all', 'those of everybody')
    .action((id: string | undefined, options: StatusOptions) =>
      run(options, async () => {
        await using party = await joinNetwork('status', options)
        const { chain, identity } = party
        const found = await readDisputes(chain)
        const isOurs = ({ claimant, challenger }: Facts) =>
          claimant === identity.address || challenger === identity.address
        const shown = [...found.values()].filter((each) =>
          id === undefined ? options.all || isOurs(each) : each.id.startsWith(id),
        )
        if (id !== undefined && shown.length === 0) throw new NoDisputeError(id)
        for (const facts of shown) {
          const state = await chain.dispute(facts.id)
          const { timestampSeconds } = await chain.head()
          const clocks = clocksOf(state, timestampSeconds)
          if (options.json) {
            console.log(Json.stringify({ ...facts, ...clocks, where: whereIn(facts.dispute) }))
            continue
          }
          console.log(textOf(facts, clocks, { withMoves: id !== undefined }).join('\n'))
        }
        if (shown.length === 0 && !options.json) console.log('There are no disputes.')
      }),
    )
}

type Facts = {
  readonly id: Hex.Hex
  readonly claimant: Hex.Address
  readonly challenger: Hex.Address
  readonly dispute: Dispute
}

/** All disputes, by what the chain has told. */
async function readDisputes(chain: Chain): Promise<ReadonlyMap<Hex.Hex, Facts>> {
  const found = new Map<Hex.Hex, Facts>()
  const clockMs = chain.parameters.disputes.clockSeconds * 1000
  const { number: head } = await chain.head()
  for (let from = 0n; from <= head; from += eventBlocks) {
    const last = from + eventBlocks - 1n
    for (const event of await chain.events({ from, to: last < head ? last : head })) {
      const id = idOf(event)
      if (id === undefined) continue
      const dispute = after(found.get(id)?.dispute, event, { clockMs })
      if (!dispute) continue
      const { challenger, message } = dispute
      found.set(id, { id, claimant: message.claimant, challenger, dispute })
    }
  }
  return found
}

function idOf(event: ChainEvent): Hex.Hex | undefined {
  return 'dispute' in event ? event.dispute : undefined
}

type Clocks = { readonly claimantSeconds: number; readonly challengerSeconds: number }

/** What each has left now. */
function clocksOf(state: DisputeState, nowSeconds: number): Clocks {
  const { claimantSeconds, challengerSeconds, turn, movedAtSeconds } = state
  const used = state.state === 'open' ? Math.max(0, nowSeconds - movedAtSeconds) : 0
  const left = (seconds: number, isRunning: boolean) =>
    Math.max(0, seconds - (isRunning ? used : 0))
  return {
    claimantSeconds: left(claimantSeconds, turn === 'claimant'),
    challengerSeconds: left(challengerSeconds, turn === 'challenger'),
  }
}

function whereIn({ position, message }: Dispute) {
  return whereOf(position, message)
}

function textOf(
  { id, claimant, challenger, dispute }: Facts,
  clocks: Clocks,
  { withMoves }: { withMoves: boolean },
): readonly string[] {
  const { state, position, message, bond, gas, number, moves } = dispute
  const clock = (seconds: number) =>
    `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')} left`
  const isOpen = state === 'open'
  const mark = (turn: string) => (isOpen && position.turn === turn ? '  <- in turn' : '')
  return [
    `dispute     ${id}`,
    `  claim     ${dispute.claim}, of ${message.steps.toLocaleString('en-US')} steps`,
    `  claimant  ${claimant}  ${isOpen ? clock(clocks.claimantSeconds) : ''}${mark('claimant')}`,
    `  against   ${challenger}  ${isOpen ? clock(clocks.challengerSeconds) : ''}${mark('challenger')}`,
    `  bonds     ${formatUsd(bond)} each; ${number} moves, ${gas.toLocaleString('en-US')} gas so far`,
    `  state     ${ends[state]}`,
    ...agreed(dispute).map((line, at) => `  ${at === 0 ? 'agreed  ' : '        '}  ${line}`),
    ...(withMoves
      ? moves.map((move) => `  ${place(move.number)}${move.party}: ${move.words}`)
      : []),
    '',
  ]
}

const ends: Readonly<Record<Dispute['state'], string>> = {
  open: 'open',
  'claimant-won': 'the claim held; the challenger lost its bond',
  'challenger-won': 'the claim was false; the claimant lost its bond',
  closed: 'closed: the claim fell in another dispute',
}

/** What both agree about, and where they part. */
function agreed(dispute: Dispute): readonly string[] {
  const { steps, values, slots, bytes, value, element, elementBytes, segments } = whereIn(dispute)
  const span = (what: string, { from, to, of }: { from: number; to: number; of: number }) =>
    to - from === 1
      ? `up to ${what} ${from} of ${of}, and not about that one`
      : `up to ${what} ${from} of ${of}; they part before ${to}`
  return [
    span('step', steps),
    ...(values && value === null ? [span('value', values)] : []),
    ...(slots ? [`about all values of the step; ${span('slot of the state', slots)}`] : []),
    ...(value === null ? [] : [`up to value ${value} of the graph, and not about that one`]),
    ...(bytes && element === null && elementBytes
      ? [span('element', scaled(bytes, elementBytes))]
      : []),
    ...(element === null ? [] : [`up to element ${element} of it, and not about that one`]),
    ...(segments
      ? [`segments ${segments.from} to ${segments.to - 1} of its chain are in dispute`]
      : []),
  ]
}

function scaled({ from, to, of }: { from: number; to: number; of: number }, bytes: number) {
  return { from: from / bytes, to: Math.ceil(to / bytes), of: of / bytes }
}

function place(number: number | null): string {
  return number === null ? '    ' : `${String(number).padStart(2)}. `
}

/** Blocks read at a time; public nodes refuse much wider ranges. */
const eventBlocks = 5_000n

/** Thrown when the chain knows of no such dispute. */
class NoDisputeError extends BaseError {
  override readonly code = 'Cli.NoDisputeError'

  constructor(id: string) {
    super('The chain knows of no such dispute.', {
      metaMessages: [`Dispute: ${id}`, 'Fix: `weft dispute status --all` lists all there are.'],
    })
  }
}
