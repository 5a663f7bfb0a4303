import { describe, expect, test } from 'vitest'
import { memoryChain } from '../chain/memory.ts'
import { identityOf } from '../../test/providerWorld.ts'
import { silentLogger } from '../runtime/silentLogger.ts'
import { virtualClock } from '../runtime/virtualClock.ts'
import { createRegistrar } from './register.ts'

const { signal } = new AbortController()
const identity = identityOf('provider')

describe('createRegistrar', () => {
  test('puts in what is missing, once', async () => {
    const { chain, register, staked } = create()
    await chain.connect(identity).send({
      type: 'register',
      peerId: 'p',
      offerUri: '',
      stakeMicroUsd: 40n,
    })
    await register({ signal })
    await register({ signal })
    expect(staked()).toBe(100n)
  })

  test('does nothing without a stake', async () => {
    const { register, staked } = create(0n)
    await register({ signal })
    expect(staked()).toBe(0n)
  })

  test('puts it in again after a rollback', async () => {
    const { chain, register, staked } = create()
    await register({ signal })
    chain.rollback(1)
    expect(staked()).toBe(0n)
    await register({ signal })
    expect(staked()).toBe(100n)
  })

  test('does not put in again what was slashed or asked back', async () => {
    const { chain, register, staked } = create()
    await register({ signal })
    for (let block = 0; block < 70; block++)
      await chain.connect(identity).send({ type: 'mint', to: identity.address, amountMicroUsd: 1n })
    const court = chain.connect(chain.court)
    const provider = identity.address
    await court.send({ type: 'slash', provider, amountMicroUsd: 60n, beneficiary: chain.court })
    await register({ signal })
    expect(staked()).toBe(40n)
  })

  test('counts stake that is being taken back as being there', async () => {
    const { chain, register } = create()
    await register({ signal })
    await chain.connect(identity).send({ type: 'request-unbond', amountMicroUsd: 100n })
    await register({ signal })
    expect(chain.totals().stakedMicroUsd).toBe(100n)
  })
})

function create(stakeMicroUsd = 100n) {
  const chain = memoryChain({ clock: virtualClock() }, { blockTimeMs: 0 })
  chain.mint(identity.address, 1_000n)
  const ports = { chain: chain.connect(identity), identity, logger: silentLogger() }
  return {
    chain,
    register: createRegistrar(ports, { stakeMicroUsd, offerUri: '' }),
    staked: () => chain.state().registrations.get(identity.address)?.stakeMicroUsd ?? 0n,
  }
}
