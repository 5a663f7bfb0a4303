import { describe, expect, test } from 'vitest'
import * as Identity from '../../protocol/Identity.ts'
import { addressBook, isPeerId, isRelayed, parse, peerOf } from './addressBook.ts'

const peer = idOf(1)
const relay = idOf(2)

describe('addressBook', () => {
  test('finds what was learned, with the peer id at the end', () => {
    const book = addressBook()
    book.learn(peer, ['/ip4/192.0.2.1/tcp/4001', `/ip4/192.0.2.2/tcp/4001/p2p/${peer}`])

    expect(book.find(peer).map(String)).toEqual([
      `/ip4/192.0.2.1/tcp/4001/p2p/${peer}`,
      `/ip4/192.0.2.2/tcp/4001/p2p/${peer}`,
    ])
    expect(book.find(relay)).toEqual([])
  })

  test('replaces what it knew', () => {
    const book = addressBook()
    book.learn(peer, ['/ip4/192.0.2.1/tcp/4001'])
    book.learn(peer, [])

    expect(book.find(peer)).toEqual([])
  })

  test('keeps 16 addresses a peer, none longer than 256 characters, and leaves out what is none', () => {
    const book = addressBook()
    const many = Array.from({ length: 40 }, (_, i) => `/ip4/192.0.2.${i}/tcp/1`)
    book.learn(peer, ['x', `/dns4/${'x'.repeat(300)}/tcp/1`, ...many])

    expect(book.find(peer)).toHaveLength(15)
  })

  test('forgets the peer heard of longest ago', () => {
    const book = addressBook()
    book.learn(peer, ['/ip4/192.0.2.1/tcp/1'])
    book.learn('nobody', ['/ip4/192.0.2.1/tcp/1'])
    for (let i = 0; i < 4096; i++) book.learn(idOf(1000 + i), [])

    expect(book.find(peer)).toEqual([])
    expect(book.find('nobody')).toEqual([])
  })
})

describe('parse', () => {
  test('refuses the address of another peer', () => {
    expect(parse(`/ip4/192.0.2.1/tcp/1/p2p/${relay}`, peer)).toBeUndefined()
  })

  test('completes relayed addresses', () => {
    const address = parse(`/ip4/192.0.2.1/tcp/1/p2p/${relay}/p2p-circuit`, peer)!

    expect(peerOf(address)).toBe(peer)
    expect(isRelayed(address)).toBe(true)
  })
})

describe('isPeerId', () => {
  test('knows ours from others', () => {
    expect(isPeerId(peer)).toBe(true)
    expect(isPeerId('12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5')).toBe(false)
    expect(isPeerId('')).toBe(false)
  })
})

function idOf(n: number): string {
  const key = new Uint8Array(32).fill(1)
  new DataView(key.buffer).setUint32(0, n)
  return Identity.from(key).peerId
}
