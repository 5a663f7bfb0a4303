import { decodeErrorResult, HttpRequestError, RpcRequestError, TimeoutError } from 'viem'
import type * as Hex from '../protocol/Hex.ts'
import type { Clock } from '../runtime/Clock.ts'
import { messageOf } from '../runtime/Errors.ts'
import {
  disputeRules,
  disputes,
  exactJudge,
  providerRegistry,
  testUsd,
  vault,
} from './artifacts.ts'
import { RevertedError, UnavailableError, type Action } from './Chain.ts'

/** What was tried, for the words of an error. */
export type Purpose = Action['type'] | 'deploy'

const abi = [
  ...testUsd.abi,
  ...providerRegistry.abi,
  ...vault.abi,
  ...disputes.abi,
  ...disputeRules.abi,
  ...exactJudge.abi,
] as const

/** The contract's refusal in an error of the node, or undefined when it is none. */
export function refusalOf(error: unknown, action: Purpose): RevertedError | undefined {
  for (const cause of causes(error)) {
    const { code, data, message } = cause as { code?: unknown; data?: unknown; message?: unknown }
    if (typeof data === 'string' && /^0x[0-9a-f]+$/i.test(data))
      return decodeRefusal(data as Hex.Hex, action)
    if (code === 3 || /execution reverted/i.test(String(message)))
      return new RevertedError({ action, error: 'Reverted' })
  }
  return undefined
}

/** Names what a contract returned when it refused. */
export function decodeRefusal(data: Hex.Hex, action: Purpose): RevertedError {
  try {
    const { errorName, args } = decodeErrorResult({ abi, data })
    const facts = ((args ?? []) as readonly unknown[]).map((fact) => `Fact: ${String(fact)}`)
    return new RevertedError({ action, error: errorName, facts })
  } catch {
    return new RevertedError({ action, error: 'Reverted', facts: [`Data: ${data.slice(0, 200)}`] })
  }
}

/** Whether the node did not answer, as opposed to answering with an error. */
export function isUnreachable(error: unknown): boolean {
  return causes(error).some(
    (cause) =>
      cause instanceof UnavailableError ||
      cause instanceof TimeoutError ||
      (cause instanceof HttpRequestError && (cause.status === undefined || cause.status >= 429)) ||
      (cause as { code?: unknown }).code === -32005,
  )
}

/** Whether the node answered with an error: to a reader that is as good as no answer. */
export function isComplaint(error: unknown): boolean {
  return isUnreachable(error) || causes(error).some((cause) => cause instanceof RpcRequestError)
}

/** Whether the node's complaint, at any depth, is one of these. */
export function complains(error: unknown, pattern: RegExp): boolean {
  return causes(error).some((cause) => pattern.test(messageOf(cause)))
}

/**
 * Asks the node, again when it did not answer, three times in about a second.
 *
 * @throws {UnavailableError} when it never answers.
 */
export async function ask<result>(
  options: {
    clock: Clock
    signal?: AbortSignal | undefined
    /** Which failures to try again. @default those without an answer */
    again?: ((error: unknown) => boolean) | undefined
  },
  question: () => Promise<result>,
): Promise<result> {
  const { clock, signal, again = isUnreachable } = options
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted()
    try {
      return await question()
    } catch (cause) {
      if (!again(cause)) throw cause
      const pauseMs = pausesMs[attempt]
      if (pauseMs === undefined)
        throw cause instanceof UnavailableError ? cause : new UnavailableError({ cause })
      await clock.sleep(pauseMs, { signal })
    }
  }
}

const pausesMs = [100, 300, 700]

function causes(error: unknown): readonly unknown[] {
  const found: unknown[] = []
  for (let next = error; next && found.length < 16; next = (next as { cause?: unknown }).cause)
    found.push(next)
  return found
}
