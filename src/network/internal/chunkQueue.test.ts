import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chunkQueue, type Task } from './chunkQueue.ts'

describe('chunkQueue', () => {
  test('gives each chunk once, and what was given back to others', () => {
    const queue = chunkQueue<string>([3, 5])
    const three = queue.take('a', 0)!
    const five = queue.take('b', 0)!
    expect([three.index, five.index, queue.take('c', 0)]).toEqual([3, 5, undefined])
    queue.giveBack(three)
    const again = queue.take('c', 1)!
    expect(again.index).toBe(3)
    expect([queue.finish(three, 2), queue.finish(again, 2), queue.finish(five, 2)]).toEqual([
      false,
      true,
      true,
    ])
    expect(queue.left()).toBe(0)
  })

  test('gives a chunk that takes long to one other source; the first to have it stops the other', () => {
    const queue = chunkQueue<string>([7])
    const slow = queue.take('slow', 0)!
    expect(queue.take('quick', 1_999)).toBeUndefined()
    expect(queue.take('slow', 5_000)).toBeUndefined()
    const quick = queue.take('quick', 2_000)!
    expect(quick.index).toBe(7)
    expect(queue.take('third', 9_000)).toBeUndefined()
    expect(queue.finish(quick, 2_500)).toBe(true)
    expect([slow.signal.aborted, quick.signal.aborted]).toEqual([true, false])
    expect(queue.finish(slow, 2_600)).toBe(false)
    queue.giveBack(slow)
    expect(queue.take('third', 9_000)).toBeUndefined()
    expect(queue.left()).toBe(0)
  })

  test('is as patient as chunks are slow', () => {
    const queue = chunkQueue<string>([1, 2])
    queue.finish(queue.take('a', 0)!, 10_000)
    queue.take('a', 10_000)
    expect(queue.take('b', 29_999)).toBeUndefined()
    expect(queue.take('b', 30_000)?.index).toBe(2)
  })

  test('loses no chunk and finishes none twice, whatever happens', () => {
    const step = fc.record({
      what: fc.constantFrom('take', 'finish', 'giveBack'),
      who: fc.nat(3),
      pick: fc.nat(20),
      ms: fc.nat(3_000),
    })
    fc.assert(
      fc.property(fc.nat(6), fc.array(step, { maxLength: 60 }), (count, steps) => {
        const queue = chunkQueue<number>(Array.from({ length: count }, (_, index) => index))
        const [open, come] = [[] as Task<number>[], [] as number[]]
        let now = 0
        const end = (task: Task<number>) => queue.finish(task, now) && come.push(task.index)
        for (const { what, who, pick, ms } of steps) {
          now += ms
          const task = what === 'take' ? queue.take(who, now) : open[pick % (open.length || 1)]
          if (what === 'take' && task) open.push(task)
          else if (what === 'finish' && task) end(task)
          else if (task) queue.giveBack(task)
        }
        for (const task of open) queue.giveBack(task)
        for (let task = queue.take(9, now); task; task = queue.take(9, now)) end(task)
        expect(come.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i))
        expect(queue.left()).toBe(0)
      }),
    )
  })
})
