import type { PublicClient, TransactionReceipt, TransactionSerializable } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import * as Hex from '../protocol/Hex.ts'
import type { Identity } from '../protocol/Identity.ts'
import type { Clock } from '../runtime/Clock.ts'
import { semaphore } from '../runtime/Semaphore.ts'
import { FeeError, UnavailableError, type Sent } from './Chain.ts'
import type { Call } from './viemEncode.ts'
import { ask, complains, isUnreachable, refusalOf, type Purpose } from './viemErrors.ts'

/** Sends transactions of one account: numbers them one after the other, and sees each of them into a block. */
export type Sender = {
  /**
   * @throws {RevertedError} | {FeeError} | {UnavailableError} as `Chain.send` does.
   */
  send(action: Purpose, call: Call, options?: { signal?: AbortSignal | undefined }): Promise<Sent>
}

export type SenderOptions = {
  readonly chainId: number
  /** Blocks a transaction must have, its own included. */
  readonly confirmations: number
  readonly timeoutMs: number
}

/** No more than this many transactions of an account wait for a block at once. */
const inFlightLimit = 32
/** No more than this many wait for their turn. */
const queueLimit = 1024
/** A transaction that the node has lost is signed anew this often. */
const resendLimit = 8
const pollMs = { first: 25, most: 400 }
const suspectMs = 2500

/** Creates the sender of one account. */
export function viemSender(
  ports: { client: PublicClient; clock: Clock; identity: Identity },
  options: SenderOptions,
): Sender {
  const { client, clock, identity } = ports
  const turns = semaphore(inFlightLimit)
  const broadcaster = createBroadcaster(ports, options)

  return {
    async send(action, call, { signal } = {}) {
      if (turns.waiting() >= queueLimit)
        throw new UnavailableError({ cause: new Error(`${queueLimit} transactions wait already`) })
      await using _turn = await turns.take(signal)
      const gas = await estimate({ client, clock, identity }, action, call, signal)
      if (turns.taken() === 1) broadcaster.forgetNonce()
      const attempts = [await broadcaster.broadcast(call, gas, signal)]
      const receipt = await awaitReceipt(attempts, { call, gas, signal })
      if (receipt.status === 'reverted') throw await explain(action, call, receipt)
      return {
        transaction: receipt.transactionHash,
        block: receipt.blockNumber,
        gasUsed: receipt.gasUsed,
      }
    },
  }

  /** Follows a transaction until it is in a block; sends it again when the node has forgotten it. */
  async function awaitReceipt(
    attempts: Attempt[],
    { call, gas, signal }: { call: Call; gas: bigint; signal?: AbortSignal | undefined },
  ): Promise<TransactionReceipt> {
    const startedAt = clock.now()
    let suspectAt = startedAt + suspectMs
    let pauseMs = pollMs.first
    let outage: unknown = new Error('the transaction is in no block yet')
    while (clock.now() - startedAt < options.timeoutMs) {
      try {
        const receipt = await findReceipt(attempts)
        if (receipt) return receipt
        if (clock.now() >= suspectAt && attempts.length <= resendLimit) {
          suspectAt = clock.now() + suspectMs
          const last = attempts.at(-1)!
          if (await broadcaster.isForgotten(last))
            attempts.push(
              (await broadcaster.sendAgain(last, signal)) ??
                (await broadcaster.broadcast(call, gas, signal)),
            )
          else await broadcaster.fillGapBefore(last, signal)
        }
      } catch (cause) {
        if (!isUnreachable(cause)) throw cause
        broadcaster.forgetNonce()
        outage = cause
      }
      await clock.sleep(pauseMs, { signal })
      pauseMs = Math.min(pollMs.most, pauseMs * 2)
    }
    throw new UnavailableError({ cause: outage })
  }

  /** The receipt of whichever attempt is in a block, deep enough; a success before a failure. */
  async function findReceipt(
    attempts: readonly Attempt[],
  ): Promise<TransactionReceipt | undefined> {
    const found: TransactionReceipt[] = []
    for (const { hash } of attempts) {
      const receipt = await client
        .getTransactionReceipt({ hash })
        .catch((error: unknown) => orUndefined(error))
      if (receipt) found.push(receipt)
    }
    const receipt = found.find(({ status }) => status === 'success') ?? found.at(-1)
    if (!receipt || options.confirmations <= 1) return receipt
    const head = await client.getBlockNumber({ cacheTime: 0 })
    return head - receipt.blockNumber + 1n >= BigInt(options.confirmations) ? receipt : undefined
  }

  /** Why a transaction failed that had been expected to succeed. */
  async function explain(
    action: Purpose,
    call: Call,
    { blockNumber }: TransactionReceipt,
  ): Promise<Error> {
    const cause = await client
      .call({ account: identity.address, ...call, blockNumber })
      .then(() => new Error('execution reverted'))
      .catch((error: unknown) => error)
    return refusalOf(cause, action) ?? new UnavailableError({ cause })
  }
}

type Attempt = { readonly hash: Hex.Hex; readonly nonce: number; readonly raw: Hex.Hex }

/** Signs and sends, one transaction at a time, so that each gets the next nonce. */
function createBroadcaster(
  { client, clock, identity }: { client: PublicClient; clock: Clock; identity: Identity },
  { chainId }: SenderOptions,
) {
  const account = privateKeyToAccount(Hex.from(identity.privateKey))
  const { address } = identity
  const lock = semaphore(1)
  let nextNonce: number | undefined
  const countOf = (blockTag: 'pending' | 'latest') =>
    client.getTransactionCount({ address, blockTag })

  const sign = async (call: Call, gas: bigint, nonce: number) => {
    const shape = { ...call, chainId, gas, nonce, value: 0n }
    const fees = await feesOf(client)
    return await account.signTransaction({ ...shape, ...fees } as TransactionSerializable)
  }

  return {
    /** The next number is the node's to tell: it may have lost blocks. */
    forgetNonce: () => void (nextNonce = undefined),

    async broadcast(call: Call, gas: bigint, signal?: AbortSignal): Promise<Attempt> {
      await using _turn = await lock.take(signal)
      for (let attempt = 0; ; attempt++) {
        const nonce = (nextNonce ??= await ask({ clock, signal }, () => countOf('pending')))
        try {
          const raw = await ask({ clock, signal }, () => sign(call, gas, nonce))
          const hash = Hex.keccak256(Hex.toBytes(raw))
          await ask({ clock, signal }, () => sendRaw(client, raw))
          nextNonce = nonce + 1
          return { hash, nonce, raw }
        } catch (cause) {
          nextNonce = undefined
          if (complains(cause, /insufficient funds/i))
            throw new FeeError({ account: address, reason: 'insufficient funds' })
          if (attempt >= resendLimit || !complains(cause, /nonce too|replacement/i)) throw cause
        }
      }
    },

    /** Whether the node does not know a transaction any more. */
    async isForgotten({ hash }: Attempt): Promise<boolean> {
      const known = await client
        .getTransaction({ hash })
        .catch((error: unknown) => orUndefined(error))
      if (!known) nextNonce = undefined
      return !known
    },

    /**
     * Sends a forgotten transaction as it was, so that it cannot happen twice; undefined when its number
     * has been used for something else, or its fees are too low by now.
     */
    async sendAgain(attempt: Attempt, signal?: AbortSignal): Promise<Attempt | undefined> {
      await using _turn = await lock.take(signal)
      if ((await countOf('latest')) > attempt.nonce) return undefined
      try {
        await sendRaw(client, attempt.raw)
        return attempt
      } catch (error) {
        if (isUnreachable(error)) throw error
        return undefined
      }
    },

    /**
     * A transaction waits for ever behind a number that nobody uses, when an earlier one was rolled
     * back. Nothing, sent with that number, lets it through; sent anew it would happen twice.
     */
    async fillGapBefore({ nonce }: Attempt, signal?: AbortSignal): Promise<void> {
      await using _turn = await lock.take(signal)
      for (let free = await countOf('pending'); free < nonce; free++)
        await sendRaw(client, await sign({ to: address, data: '0x' }, 21_000n, free))
    },
  }
}

async function sendRaw(client: PublicClient, raw: Hex.Hex): Promise<void> {
  try {
    await client.sendRawTransaction({ serializedTransaction: raw })
  } catch (error) {
    if (!complains(error, /already (known|imported)/i)) throw error
  }
}

/** How much gas a call takes, and some more, because the state may change before it is in a block. */
async function estimate(
  { client, clock, identity }: { client: PublicClient; clock: Clock; identity: Identity },
  action: Purpose,
  call: Call,
  signal?: AbortSignal,
): Promise<bigint> {
  try {
    const used = await ask({ clock, signal }, () =>
      client.request({ method: 'eth_estimateGas', params: [{ from: identity.address, ...call }] }),
    )
    return (BigInt(used) * 5n) / 4n + 20_000n
  } catch (error) {
    throw refusalOf(error, action) ?? error
  }
}

/** Fees that hold while the base fee doubles (EIP-1559); the gas price on chains without a base fee. */
async function feesOf(client: PublicClient) {
  const { baseFeePerGas } = await client.getBlock({ blockTag: 'latest' })
  const gasPrice = await client.getGasPrice()
  if (baseFeePerGas === null || baseFeePerGas === undefined)
    return { type: 'legacy', gasPrice } as const
  const tip = gasPrice > baseFeePerGas ? gasPrice - baseFeePerGas : 0n
  const maxFeePerGas = 2n * baseFeePerGas + tip
  return { type: 'eip1559', maxFeePerGas, maxPriorityFeePerGas: tip } as const
}

/** The node says "no such thing" as an error; what is not that stays one. */
function orUndefined(error: unknown): undefined {
  if (complains(error, /could not be found|not be processed/i)) return undefined
  throw error
}
