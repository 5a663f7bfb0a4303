import type { ClaimState, DisputeState } from '../chain/Chain.ts'
import type { Party } from '../protocol/dispute/Position.ts'

/** What to do in a dispute now. */
export type Step =
  /** Nothing, for now. */
  | 'wait'
  /** Bring the newest position that both have signed. */
  | 'adopt'
  | 'move'
  /** The other's clock has run out. */
  | 'timeout'
  /** Its claim was rejected in another dispute. */
  | 'close'
  /** It is over: see to the money. */
  | 'settle'

/** Decides what a party does in a dispute. What was reached off the chain comes before any move on it. */
export function planDispute(facts: planDispute.Facts): Step {
  const { role, state, claim, nowSeconds, newestNumber, isOffChain } = facts
  if (state.state !== 'open') return 'settle'
  if (claim === 'rejected') return 'close'
  if (isOffChain) return 'wait'
  const isOver = nowSeconds - state.movedAtSeconds > leftOf(state)
  if (newestNumber > state.number) return 'adopt'
  if (state.turn !== role) return isOver ? 'timeout' : 'wait'
  return isOver ? 'wait' : 'move'
}

export declare namespace planDispute {
  type Facts = {
    readonly role: Party
    readonly state: DisputeState
    readonly claim: ClaimState['state']
    /** By the chain's head. */
    readonly nowSeconds: number
    /** Of the newest position that both have signed; 0 for none. */
    readonly newestNumber: number
    /** Whether it is still being played off the chain. */
    readonly isOffChain: boolean
  }
}

/**
 * Whether a claimant may still wait for its challenger to play off the chain: not once it has been quiet there,
 * and never longer than half its clock, which runs meanwhile.
 */
export function mayWait(
  state: DisputeState,
  { nowSeconds, heardAtSeconds, quietSeconds }: MayWait,
): boolean {
  if (state.number > 0) return false
  const quiet = nowSeconds - Math.max(state.movedAtSeconds, heardAtSeconds)
  return quiet < quietSeconds && nowSeconds - state.movedAtSeconds < leftOf(state) / 2
}

type MayWait = {
  readonly nowSeconds: number
  /** When the challenger last moved off the chain. */
  readonly heardAtSeconds: number
  readonly quietSeconds: number
}

/** What was left to the party in turn at the last move. */
function leftOf({ turn, claimantSeconds, challengerSeconds }: DisputeState): number {
  return turn === 'claimant' ? claimantSeconds : challengerSeconds
}
