import { describe, expect, test } from 'vitest'
import { inbox } from './inbox.ts'

describe('inbox', () => {
  test('gives items in order, whether they wait or are waited for', async () => {
    const box = inbox<number>()
    box.push(1)
    box.push(2)
    expect(await box.next()).toBe(1)
    expect(await box.next()).toBe(2)
    const third = box.next()
    expect(box.waiting).toBe(true)
    box.push(3)

    expect(await third).toBe(3)
    expect(box.waiting).toBe(false)
  })

  test('delivers what is queued before the end', async () => {
    const box = inbox<number>()
    box.push(1)
    box.end(new Error('over'))
    box.push(2)

    expect(await box.next()).toBe(1)
    await expect(box.next()).rejects.toThrowError('over')
    await expect(box.next()).rejects.toThrowError('over')
    expect(box.closed).toBe(true)
  })

  test('fails at once, and tells who waits', async () => {
    const box = inbox<number>()
    const waiting = box.next()
    box.fail(new Error('gone'))
    await expect(waiting).rejects.toThrowError('gone')

    const full = inbox<number>()
    full.push(1)
    full.end(new Error('over'))
    full.fail(new Error('gone'))
    await expect(full.next()).rejects.toThrowError('gone')
  })

  test('makes a sender wait while it is full', async () => {
    const box = inbox<number>({ limit: 2 })
    await box.room()
    box.push(1)
    box.push(2)
    expect(box.full).toBe(true)
    let room = false
    const waiting = box.room().then(() => (room = true))
    await Promise.resolve()
    expect(room).toBe(false)

    await box.next()
    expect(await waiting).toBe(true)
  })

  test('lets a sender go when nobody will take anything', async () => {
    const box = inbox<number>({ limit: 1 })
    box.push(1)
    const waiting = box.room()
    box.end(new Error('over'))

    await waiting
    await box.room()
  })
})
