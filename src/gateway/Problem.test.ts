import { describe, expect, test } from 'vitest'
import { NoProviderError } from '../buyer/Buyer.ts'
import { TimeoutError, UnreachableError } from '../network/Network.ts'
import { RevertedError, UnavailableError } from '../chain/Chain.ts'
import { EngineError } from '../engine/Engine.ts'
import { WriteError } from '../runtime/Store.ts'
import { InvalidKeyError } from './keys.ts'
import * as Problem from './Problem.ts'

const poor = { code: 'Buyer.DepositError', message: 'Nothing is free. Fix: weft deposit.' }

describe('from', () => {
  test.each([
    [new InvalidKeyError({ why: 'revoked' }), 401, 'revoked_api_key'],
    [new NoProviderError({ model: 'm', tier: 'unverified' }), 503, 'no_provider'],
    [
      new NoProviderError({ model: 'm', tier: 'unverified', reasons: [poor] }),
      402,
      'gateway_out_of_funds',
    ],
    [new UnreachableError({ peer: 'x' }), 502, 'provider_failed'],
    [new TimeoutError({ peer: 'x', protocol: 'y', timeoutMs: 1 }), 504, 'provider_timeout'],
    [new EngineError('Garbage.'), 502, 'provider_failed'],
    [new UnavailableError({ cause: 0 }), 503, 'chain_unavailable'],
    [
      new RevertedError({ action: 'open-lease', error: 'InsufficientFree' }),
      402,
      'gateway_out_of_funds',
    ],
    [new WriteError({ cause: 0, path: '/x' }), 503, 'storage_failed'],
    [new Problem.DeadlineError({ timeoutMs: 5 }), 504, 'timeout'],
    [new Problem.StoppingError(), 503, 'stopping'],
    [new TypeError('secret'), 500, 'internal_error'],
    ['secret', 500, 'internal_error'],
    [undefined, 500, 'internal_error'],
  ])('makes of %s a status and a stable code', (error, status, code) => {
    const problem = Problem.from(error)
    expect([problem.status, problem.body.error.code]).toEqual([status, code])
    expect(problem.body.error.message).not.toContain('secret')
    expect(problem.body.error.param).toBeNull()
  })

  test('names the parameter of a wrong request', () => {
    const error = new Problem.RequestError('Wrong.', { code: 'invalid_value', param: 'n' })
    expect(Problem.from(error)).toEqual({
      status: 400,
      body: {
        error: {
          message: 'Wrong.',
          type: 'invalid_request_error',
          param: 'n',
          code: 'invalid_value',
        },
      },
      headers: {},
    })
  })

  test('tells clients whether to try again', () => {
    expect(Problem.from(new NoProviderError({ model: 'm', tier: 'unverified' })).headers).toEqual({
      'retry-after': '2',
    })
    const late = new Problem.DeadlineError({ timeoutMs: 5 })
    expect(Problem.from(late).headers).toEqual({ 'x-should-retry': 'false' })
  })
})

describe('isOurs', () => {
  test('is true for what nobody outside can help', () => {
    expect(Problem.isOurs(Problem.from(new Error('x')))).toBe(true)
    expect(
      Problem.isOurs(Problem.from(new NoProviderError({ model: 'm', tier: 'unverified' }))),
    ).toBe(false)
  })
})
