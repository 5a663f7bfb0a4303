import { decodeFunctionData, encodeFunctionData } from 'viem'
import { beforeAll, describe, expect, test } from 'vitest'
import { playFaults, scenarios } from '../../test/playFaults.ts'
import type { Tried } from '../../test/exactDisputes.ts'
import * as Position from '../protocol/dispute/Position.ts'
import * as ExactClaim from '../protocol/ExactClaim.ts'
import * as Hex from '../protocol/Hex.ts'
import { disputes } from './artifacts.ts'
import { decodeMove, encodeMove, positionOf, structOf } from './viemMoves.ts'

const key = { claim: Hex.sha256('claim'), challenger: `0x${'c1'.repeat(20)}` } as const
/** Moves of all kinds, right and wrong, with the claims they are about. */
let games: { readonly claim: ExactClaim.ExactClaim; readonly tried: readonly Tried[] }[]

beforeAll(async () => {
  games = []
  for await (const { claim, played } of playFaults({ count: scenarios.length, first: 40_000 }))
    games.push({ claim, tried: played.tried })
})

describe('encodeMove and decodeMove', () => {
  test('give back every move and its position', () => {
    const seen = new Set<string>()
    for (const { claim, tried } of games)
      for (const { position, move } of tried) {
        const data = encodeMove({ claim, key, position, move })
        seen.add(move.type)
        const isEnd = move.type === 'concede'
        const made = decodeMove(data)
        expect(made).toEqual(isEnd ? undefined : { position, move })
      }
    for (const type of ['reveal', 'pick', 'enter', 'dispute-after', 'tensor', 'leaf', 'element'])
      expect(seen).toContain(type)
    for (const type of ['accumulators', 'part', 'operands', 'prove-read', 'prove-slot'])
      expect(seen).toContain(type)
  })

  test('put the key in front', () => {
    const { claim } = games[0]!
    const position = Position.first(claim)
    const move = { type: 'reveal', nodes: [] as Hex.Hex[] } as const
    const { args } = decodeFunctionData({
      abi: disputes.abi,
      data: encodeMove({ claim, key, position, move: { ...move, nodes: [] } }),
    })
    expect(args[0]).toMatchObject({ claim: key.claim })
  })

  test('see no move in what is none', () => {
    expect(decodeMove('0x')).toBeUndefined()
    expect(decodeMove('0x12345678')).toBeUndefined()
    const timeout = encodeFunctionData({ abi: disputes.abi, functionName: 'timeout', args: [key] })
    expect(decodeMove(timeout)).toBeUndefined()
  })
})

describe('structOf and positionOf', () => {
  test('are each the other backwards', () => {
    for (const { tried } of games)
      for (const { position } of tried) expect(positionOf(structOf(position))).toEqual(position)
  })
})
