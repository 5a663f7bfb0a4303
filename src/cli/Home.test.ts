import { mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../runtime/seededRandom.ts'
import * as Home from './Home.ts'
import * as NetworkFile from './NetworkFile.ts'

const folder = () => join(mkdtempSync(join(tmpdir(), 'weft-home-')), 'home')

describe('identity', () => {
  test('makes a key once, readable by its owner alone', () => {
    const home = folder()
    const first = Home.identity(home, { random: seededRandom(1) })
    const second = Home.identity(home, { random: seededRandom(2) })
    expect(second).toEqual(first)
    expect(statSync(join(home, 'key')).mode & 0o777).toBe(0o600)
  })

  test('refuses a damaged key file without repeating or replacing it', () => {
    const home = folder()
    Home.create(home)
    writeFileSync(join(home, 'key'), '0xsecret')
    const read = () => Home.identity(home, { random: seededRandom(1) })
    expect(read).toThrow(/restore it from a backup/)
    expect(read).not.toThrow(/0xsecret/)
  })
})

describe('NetworkFile.read', () => {
  test('reads back what was written', () => {
    const home = folder()
    Home.create(home)
    const address = `0x${'ab'.repeat(20)}` as const
    const network: NetworkFile.NetworkFile = {
      name: 'test',
      chainId: 31337,
      rpcUrl: 'http://127.0.0.1:8545',
      contracts: { vault: address, usd: address, registry: address },
      withdrawalDelaySeconds: 60,
      unbondingDelaySeconds: 120,
      disputes: {
        address: `0x${'5'.repeat(40)}`,
        clockSeconds: 10,
        windowSeconds: 40,
        withdrawalDelaySeconds: 60,
      },
      bootstrap: ['/ip4/127.0.0.1/tcp/4001/p2p/x'],
      validators: [address],
    }
    NetworkFile.write(join(home, 'network.json'), network)
    expect(NetworkFile.read(join(home, 'network.json'))).toEqual(network)
  })

  test('says what is wrong and what to do', () => {
    const home = folder()
    Home.create(home)
    const path = join(home, 'network.json')
    expect(() => NetworkFile.read(path)).toThrow(/no such file[^]*--network/)
    writeFileSync(path, '{"name": 1}')
    expect(() => NetworkFile.read(path)).toThrow(/name: Invalid input/)
  })
})
