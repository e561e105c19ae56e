import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createSlots, type Slotted } from '../../src/bus/slots.ts'

it('holds what a set would hold, in as few slots as were ever taken at once', () => {
  const items: Slotted[] = Array.from({ length: 8 }, () => ({ slot: -1 }))
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(items.length - 1)), { maxLength: 100 })
  fc.assert(
    fc.property(steps, (taken) => {
      for (const item of items) item.slot = -1
      const slots = createSlots<Slotted>()
      const model = new Set<Slotted>()
      let most = 0
      for (const [isAdded, at] of taken) {
        const item = items[at]
        if (item === undefined) continue
        if (isAdded) {
          slots.add(item)
          model.add(item)
        } else expect(slots.delete(item)).toBe(model.delete(item))
        most = Math.max(most, model.size)
        expect(slots.size).toBe(model.size)
        expect(new Set(slots.values())).toEqual(model)
        expect(item.slot).toBeLessThan(most)
      }
    }),
  )
})
