import { defineEvent, type EventData, type EventInput, type EventMessage, type EventOf } from '@millrace/core/contract'
import { type } from 'arktype'
import * as v from 'valibot'
import { expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'

// The type checker judges these; running them shows that what they speak of exists.

const ByZod = defineEvent('order.placed', {
  version: 2,
  schema: z.object({ id: z.string(), total: z.coerce.number<string>(), currency: z.string().default('EUR') }),
  earlier: {
    1: {
      schema: z.object({ id: z.string(), amount: z.number() }),
      up: (data) => {
        expectTypeOf(data).toEqualTypeOf<{ id: string; amount: number }>()
        return { id: data.id, total: String(data.amount) }
      },
    },
  },
  key: (data) => {
    expectTypeOf(data).toEqualTypeOf<{ id: string; total: number; currency: string }>()
    return data.id
  },
})
const ByValibot = defineEvent('order.paid', {
  schema: v.object({ id: v.string(), currency: v.optional(v.string(), 'EUR') }),
  key: (data) => data.id,
})
const ByArkType = defineEvent('order.sent', {
  schema: type({ id: 'string', carrier: 'string = "post"' }),
  subject: (data) => data.carrier,
})

it('publishers give the input of the schema', () => {
  expectTypeOf<EventInput<typeof ByZod>>().toEqualTypeOf<{ id: string; total: string; currency?: string | undefined }>()
  expectTypeOf<EventInput<typeof ByValibot>>().toEqualTypeOf<{ id: string; currency?: string | undefined }>()
  expectTypeOf<EventInput<typeof ByArkType>>().toEqualTypeOf<{ id: string; carrier?: string }>()
  // @ts-expect-error -- the total is missing
  expect(() => ByZod.create({ id: 'a' })).toThrow('total')
})

it('handlers see its output', () => {
  expectTypeOf<EventData<typeof ByZod>>().toEqualTypeOf<{ id: string; total: number; currency: string }>()
  expectTypeOf<EventData<typeof ByValibot>>().toEqualTypeOf<{ id: string; currency: string }>()
  expectTypeOf<EventData<typeof ByArkType>>().toEqualTypeOf<{ id: string; carrier: string }>()
  expectTypeOf<EventOf<typeof ByZod>>().toEqualTypeOf<
    EventMessage<{ id: string; total: number; currency: string }, 'order.placed'>
  >()
  expect(ByValibot.create({ id: 'a' }).data.currency).toBe('EUR')
  expect(ByArkType.create({ id: 'a' }).subject).toBe('post')
  expect(ByZod.upcast({ id: 'a', amount: 5 }, '1').total).toBe(5)
})

it('the type is a literal', () => {
  expectTypeOf(ByZod.type).toEqualTypeOf<'order.placed'>()
  expect(ByZod.type).toBe('order.placed')
})
