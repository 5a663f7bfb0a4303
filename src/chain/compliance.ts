/** What every adapter of the chain port must do; each adapter's test calls it. */
import { describe, expect, test } from 'vitest'
import type * as Hex from '../protocol/Hex.ts'
import * as Lease from '../protocol/Lease.ts'
import * as Voucher from '../protocol/Voucher.ts'
import type { Claim } from './Chain.ts'
import { type Create, fund, mint, type Setup } from './complianceSetup.ts'
import { disputesCompliance } from './disputesCompliance.ts'

export function chainCompliance(create: Create): void {
  describe('as a chain', () => {
    depositCompliance(create)
    leaseCompliance(create)
    claimCompliance(create)
    registryCompliance(create)
    eventCompliance(create)
    disputesCompliance(create)
  })
}

function depositCompliance(create: () => Promise<Setup>): void {
  describe('deposits', () => {
    test('start empty, and move the own money to the deposit of anybody', async () => {
      await using setup = await create()
      const { buyer, stranger } = setup
      const address = buyer.identity.address
      expect(await buyer.chain.deposit(address)).toEqual({
        freeMicroUsd: 0n,
        reservedMicroUsd: 0n,
        withdrawingMicroUsd: 0n,
        withdrawableAtSeconds: 0,
      })
      await mint(stranger, 50n)
      await stranger.chain.send({ type: 'deposit', buyer: address, amountMicroUsd: 30n })
      expect((await buyer.chain.deposit(address)).freeMicroUsd).toBe(30n)
      expect(await buyer.chain.balance(stranger.identity.address)).toBe(20n)
      expect(await buyer.chain.balance(buyer.chain.domain.vault)).toBe(30n)
    })

    test('are refused when empty or not covered', async () => {
      await using setup = await create()
      const { buyer } = setup
      const deposit = (amountMicroUsd: bigint) =>
        buyer.chain.send({ type: 'deposit', buyer: buyer.identity.address, amountMicroUsd })
      await expect(deposit(0n)).rejects.toMatchObject({ code: 'Chain.ZeroAmount' })
      await expect(deposit(1n)).rejects.toMatchObject({ code: 'Chain.ERC20InsufficientBalance' })
    })

    test('come back after the delay, no sooner, and no more than is free', async () => {
      await using setup = await create()
      const { buyer } = setup
      await fund(setup.buyer, 100n)
      await expect(buyer.chain.send({ type: 'withdraw' })).rejects.toMatchObject({
        code: 'Chain.NothingToWithdraw',
      })
      await buyer.chain.send({ type: 'request-withdrawal', amountMicroUsd: 70n })
      await openLease(setup, { totalMicroUsd: 60n })
      await expect(buyer.chain.send({ type: 'withdraw' })).rejects.toMatchObject({
        code: 'Chain.WithdrawalTooEarly',
      })
      await setup.elapse(buyer.chain.parameters.withdrawalDelaySeconds + 1)
      await buyer.chain.send({ type: 'withdraw' })
      expect(await buyer.chain.balance(buyer.identity.address)).toBe(40n)
      expect(await buyer.chain.deposit(buyer.identity.address)).toEqual({
        freeMicroUsd: 0n,
        reservedMicroUsd: 60n,
        withdrawingMicroUsd: 0n,
        withdrawableAtSeconds: 0,
      })
    })
  })
}

function leaseCompliance(create: () => Promise<Setup>): void {
  describe('leases', () => {
    test('are opened by signature, and only ever raised', async () => {
      await using setup = await create()
      await fund(setup.buyer, 100n)
      const lease = await openLease(setup, { totalMicroUsd: 40n })
      const key = { buyer: lease.buyer, provider: lease.provider, nonce: lease.nonce }
      expect(await setup.buyer.chain.lease(key)).toEqual({
        state: 'open',
        totalMicroUsd: 40n,
        claimedMicroUsd: 0n,
        expirySeconds: lease.expirySeconds,
      })
      const again = { nonce: lease.nonce, expirySeconds: lease.expirySeconds }
      await expect(openLease(setup, { ...again, totalMicroUsd: 40n })).rejects.toMatchObject({
        code: 'Chain.LeaseNotRaised',
      })
      await openLease(setup, { ...again, totalMicroUsd: 90n })
      await expect(openLease(setup, { ...again, totalMicroUsd: 101n })).rejects.toMatchObject({
        code: 'Chain.InsufficientFree',
      })
      expect(await setup.buyer.chain.deposit(lease.buyer)).toMatchObject({
        freeMicroUsd: 10n,
        reservedMicroUsd: 90n,
      })
    })

    test('need the signature of the buyer', async () => {
      await using setup = await create()
      await fund(setup.buyer, 100n)
      const lease = await leaseOf(setup, {})
      const { signature } = Lease.sign(setup.buyer.chain.domain, lease, setup.stranger.identity)
      const malformed = `${signature.slice(0, -2)}07` as Hex.Hex
      for (const forged of [signature, malformed])
        await expect(
          setup.provider.chain.send({ type: 'open-lease', lease, signature: forged }),
        ).rejects.toMatchObject({ code: 'Chain.InvalidSignature' })
    })

    test('return the rest when closed, for ever', async () => {
      await using setup = await create()
      await fund(setup.buyer, 100n)
      const lease = await openLease(setup, { totalMicroUsd: 40n })
      await setup.provider.chain.send(await claimOf(setup, lease, 15n))
      const close = { type: 'close-lease', key: lease } as const
      await expect(setup.buyer.chain.send(close)).rejects.toMatchObject({
        code: 'Chain.LeaseStillRunning',
      })
      await setup.provider.chain.send(close)
      expect(await setup.buyer.chain.lease(lease)).toMatchObject({ state: 'closed' })
      expect(await setup.buyer.chain.deposit(lease.buyer)).toMatchObject({
        freeMicroUsd: 85n,
        reservedMicroUsd: 0n,
      })
      const { signature } = Lease.sign(setup.buyer.chain.domain, lease, setup.buyer.identity)
      await expect(
        setup.provider.chain.send({ type: 'open-lease', lease, signature }),
      ).rejects.toMatchObject({ code: 'Chain.LeaseAlreadyClosed' })
    })

    test('can be closed by anyone once expired, and not be claimed from', async () => {
      await using setup = await create()
      await fund(setup.buyer, 100n)
      const lease = await openLease(setup, { totalMicroUsd: 40n })
      await setup.elapse(3601)
      await expect(
        setup.provider.chain.send(await claimOf(setup, lease, 15n)),
      ).rejects.toMatchObject({ code: 'Chain.LeaseExpired' })
      await setup.stranger.chain.send({ type: 'close-lease', key: lease })
      expect((await setup.buyer.chain.deposit(lease.buyer)).freeMicroUsd).toBe(100n)
    })
  })
}

function claimCompliance(create: () => Promise<Setup>): void {
  describe('claims', () => {
    test('pay the provider once, whoever sends them and however often', async () => {
      await using setup = await create()
      await fund(setup.buyer, 100n)
      const lease = await openLease(setup, { totalMicroUsd: 40n })
      const claim = await claimOf(setup, lease, 15n)
      await setup.stranger.chain.send(claim)
      await setup.provider.chain.send(claim)
      await setup.provider.chain.send(await claimOf(setup, lease, 25n))
      await setup.provider.chain.send(claim)
      expect(await setup.buyer.chain.earned(lease.provider)).toBe(25n)
      expect((await setup.buyer.chain.lease(lease)).claimedMicroUsd).toBe(25n)
      await setup.provider.chain.send({ type: 'withdraw-earned' })
      expect(await setup.buyer.chain.balance(lease.provider)).toBe(25n)
      expect(await setup.buyer.chain.earned(lease.provider)).toBe(0n)
      await expect(setup.provider.chain.send({ type: 'withdraw-earned' })).rejects.toMatchObject({
        code: 'Chain.NothingToWithdraw',
      })
    })

    test('are all taken or none', async () => {
      await using setup = await create()
      await fund(setup.buyer, 100n)
      const lease = await openLease(setup, { totalMicroUsd: 40n })
      const other = await openLease(setup, { totalMicroUsd: 40n, nonce: 2n })
      const good = (await claimOf(setup, lease, 15n)).claims
      const over = (await claimOf(setup, other, 41n)).claims
      const claim = (claims: readonly Claim[]) =>
        setup.provider.chain.send({ type: 'claim', provider: lease.provider, claims })
      await expect(claim([...good, ...over])).rejects.toMatchObject({
        code: 'Chain.ClaimOverTotal',
      })
      await expect(claim([...good, { ...over[0]!, cumulativeMicroUsd: 9n }])).rejects.toMatchObject(
        { code: 'Chain.InvalidSignature' },
      )
      await expect(claim([...good, { ...over[0]!, nonce: 3n }])).rejects.toMatchObject({
        code: 'Chain.LeaseNotOpen',
      })
      await expect(claim([])).rejects.toMatchObject({ code: 'Chain.EmptyBatch' })
      expect(await setup.buyer.chain.earned(lease.provider)).toBe(0n)
      await claim([...good, ...(await claimOf(setup, other, 40n)).claims])
      expect(await setup.buyer.chain.earned(lease.provider)).toBe(55n)
    })
  })
}

function registryCompliance(create: () => Promise<Setup>): void {
  describe('stake', () => {
    test('is put up, taken back after the delay, and slashable until then', async () => {
      await using setup = await create()
      const { provider, court, stranger } = setup
      const { address, peerId } = provider.identity
      const register = (stakeMicroUsd: bigint) =>
        provider.chain.send({ type: 'register', peerId, offerUri: 'weft:offers', stakeMicroUsd })
      await mint(provider, 100n)
      await expect(register(0n)).rejects.toMatchObject({ code: 'Chain.ZeroAmount' })
      await register(60n)
      await register(40n)
      await register(0n)
      await expect(
        provider.chain.send({ type: 'request-unbond', amountMicroUsd: 101n }),
      ).rejects.toMatchObject({ code: 'Chain.InsufficientStake' })
      await provider.chain.send({ type: 'request-unbond', amountMicroUsd: 30n })
      await expect(provider.chain.send({ type: 'unbond' })).rejects.toMatchObject({
        code: 'Chain.UnbondingTooEarly',
      })
      const slash = {
        type: 'slash',
        provider: address,
        amountMicroUsd: 35n,
        beneficiary: stranger.identity.address,
      } as const
      await expect(stranger.chain.send(slash)).rejects.toMatchObject({ code: 'Chain.NotCourt' })
      await court.chain.send(slash)
      expect(await provider.chain.registration(address)).toMatchObject({
        registered: true,
        stakeMicroUsd: 65n,
        unbondingMicroUsd: 0n,
      })
      await provider.chain.send({ type: 'request-unbond', amountMicroUsd: 65n })
      await setup.elapse(provider.chain.parameters.unbondingDelaySeconds + 1)
      await provider.chain.send({ type: 'unbond' })
      expect(await provider.chain.balance(address)).toBe(65n)
      expect(await provider.chain.balance(stranger.identity.address)).toBe(35n)
      expect(await provider.chain.registration(address)).toEqual({
        registered: false,
        stakeMicroUsd: 0n,
        unbondingMicroUsd: 0n,
        unbondableAtSeconds: 0,
      })
    })
  })
}

function eventCompliance(create: () => Promise<Setup>): void {
  describe('events', () => {
    test('tell what happened, in order, and where', async () => {
      await using setup = await create()
      const { buyer, provider } = setup
      await fund(buyer, 100n)
      const lease = await openLease(setup, { totalMicroUsd: 40n })
      const second = await openLease(setup, { totalMicroUsd: 20n, nonce: 2n })
      await provider.chain.send(await claimOf(setup, lease, 15n))
      const claims = [
        ...(await claimOf(setup, lease, 25n)).claims,
        ...(await claimOf(setup, lease, 5n)).claims,
        ...(await claimOf(setup, second, 3n)).claims,
      ]
      const sent = await provider.chain.send({ type: 'claim', provider: lease.provider, claims })
      await provider.chain.send({ type: 'close-lease', key: lease })
      await provider.chain.send({ type: 'withdraw-earned' })
      const { peerId } = provider.identity
      const offer = { peerId, offerUri: 'weft:é', stakeMicroUsd: 28n }
      await provider.chain.send({ type: 'register', ...offer })
      const registered = { type: 'registered', provider: lease.provider, ...offer }
      const head = await buyer.chain.head()
      const events = await buyer.chain.events({ from: 0n, to: head.number })
      const id = Lease.id(lease)
      const { buyer: buyerAddress, provider: providerAddress, terms } = lease
      const parties = { buyer: buyerAddress, provider: providerAddress }
      const opened = ({ totalMicroUsd, nonce, expirySeconds }: Lease.Lease, key: Hex.Hex) => {
        const facts = { ...parties, nonce, totalMicroUsd, expirySeconds, terms }
        return { type: 'lease-opened', lease: key, ...facts }
      }
      const claimed = (key: Hex.Hex, amountMicroUsd: bigint, cumulativeMicroUsd: bigint) => {
        const facts = { ...parties, amountMicroUsd, cumulativeMicroUsd }
        return { type: 'claimed', lease: key, ...facts }
      }
      const place = {
        block: expect.any(BigInt) as bigint,
        blockHash: expect.stringMatching(/^0x[0-9a-f]{64}$/) as string,
        timestampSeconds: expect.any(Number) as number,
        transaction: expect.stringMatching(/^0x[0-9a-f]{64}$/) as string,
      }
      expect(events).toEqual(
        [
          { type: 'deposited', buyer: lease.buyer, amountMicroUsd: 100n },
          opened(lease, id),
          opened(second, Lease.id(second)),
          claimed(id, 15n, 15n),
          claimed(id, 10n, 25n),
          claimed(Lease.id(second), 3n, 3n),
          { type: 'lease-closed', lease: id, refundMicroUsd: 15n },
          { type: 'earnings-withdrawn', provider: lease.provider, amountMicroUsd: 28n },
          registered,
        ].map((event) => ({ ...place, ...event })),
      )
      expect(events[4]).toMatchObject({ block: sent.block, transaction: sent.transaction })
      expect(await buyer.chain.events({ from: sent.block + 1n, to: head.number })).toEqual(
        events.filter(({ block }) => block > sent.block),
      )
    })
  })
}

async function leaseOf(
  { buyer, provider }: Setup,
  overrides: Partial<Lease.Lease>,
): Promise<Lease.Lease> {
  const { timestampSeconds } = await buyer.chain.head()
  return {
    buyer: buyer.identity.address,
    provider: provider.identity.address,
    nonce: 1n,
    totalMicroUsd: 40n,
    expirySeconds: timestampSeconds + 3600,
    deadlineSeconds: timestampSeconds + 600,
    terms: `0x${'7e'.repeat(32)}`,
    ...overrides,
  }
}

async function openLease(setup: Setup, overrides: Partial<Lease.Lease>): Promise<Lease.Lease> {
  const lease = await leaseOf(setup, overrides)
  const { signature } = Lease.sign(setup.buyer.chain.domain, lease, setup.buyer.identity)
  await setup.provider.chain.send({ type: 'open-lease', lease, signature })
  return lease
}

async function claimOf({ buyer }: Setup, lease: Lease.Lease, cumulativeMicroUsd: bigint) {
  const voucher = { lease: Lease.id(lease), cumulativeMicroUsd }
  const { signature } = Voucher.sign(buyer.chain.domain, voucher, buyer.identity)
  const claims = [{ buyer: lease.buyer, nonce: lease.nonce, cumulativeMicroUsd, signature }]
  return { type: 'claim', provider: lease.provider, claims } as const
}
