import { describe, expect, test } from 'vitest'
import type { Action, ClaimState, DisputeState, Registration } from '../chain/Chain.ts'
import * as Hex from '../protocol/Hex.ts'
import type { OurDispute } from './DisputePorts.ts'
import { settleDispute } from './settleDispute.ts'

const account: Hex.Address = `0x${'c1'.repeat(20)}`
const key = { claim: Hex.sha256('claim'), challenger: account }

/** What is sent after a dispute that ended somehow, seen by a side. */
async function settled(
  role: OurDispute['role'],
  state: DisputeState['state'],
  {
    claim = { state: 'rejected', bondMicroUsd: 10n, open: 0 },
    stakeMicroUsd = 5n,
  }: { claim?: ClaimState; stakeMicroUsd?: bigint } = {},
) {
  const sent: Action['type'][] = []
  const chain = {
    registration: () =>
      Promise.resolve({ stakeMicroUsd, unbondingMicroUsd: 0n } as unknown as Registration),
    exactClaim: () => Promise.resolve(claim),
  }
  const send = ({ type }: Action) => {
    sent.push(type)
    return Promise.resolve(true)
  }
  const dispute = { id: Hex.zero, key, role, claim: { claimant: account, bond: 10n } }
  const isDone = await settleDispute(
    { chain, send },
    { dispute: dispute as unknown as OurDispute, state: { state } as DisputeState },
  )
  return { sent, isDone }
}

describe('settleDispute', () => {
  test('has the loser slashed and the rest of the bond burned', async () => {
    expect(await settled('challenger', 'challenger-won')).toEqual({
      sent: ['slash-claimant', 'burn-bond'],
      isDone: true,
    })
    expect(await settled('claimant', 'challenger-won')).toEqual({ sent: [], isDone: true })
  })

  test('asks for no stake where there is none, and burns no bond where none was held', async () => {
    expect(await settled('challenger', 'challenger-won', { stakeMicroUsd: 0n })).toMatchObject({
      sent: ['burn-bond'],
    })
    const claim = { state: 'rejected', bondMicroUsd: 0n, open: 0 } as const
    expect(await settled('challenger', 'challenger-won', { claim })).toMatchObject({
      sent: ['slash-claimant'],
    })
  })

  test('takes the bond back when the claim is final, no sooner', async () => {
    const challenged = { state: 'challenged', bondMicroUsd: 10n, open: 0 } as const
    expect(await settled('claimant', 'claimant-won', { claim: challenged })).toEqual({
      sent: [],
      isDone: false,
    })
    const final = { ...challenged, state: 'final' } as const
    expect(await settled('claimant', 'claimant-won', { claim: { ...final, open: 1 } })).toEqual({
      sent: [],
      isDone: false,
    })
    expect(await settled('claimant', 'claimant-won', { claim: final })).toEqual({
      sent: ['release-claim'],
      isDone: true,
    })
    expect(await settled('claimant', 'claimant-won')).toEqual({ sent: [], isDone: true })
    expect(await settled('challenger', 'claimant-won', { claim: final })).toEqual({
      sent: [],
      isDone: true,
    })
  })

  test('has nothing to do when a dispute was closed', async () => {
    expect(await settled('challenger', 'closed')).toEqual({ sent: [], isDone: true })
  })
})
