import { defineEvent, type EventDefinition } from '@millrace/core'
import { z } from 'zod'
import type { Order } from './order.ts'

/** An order as ours publishes it: checked, with the order as its key. */
export const OrderPlaced: EventDefinition<'order.placed', Order, Order, 'order'> = defineEvent('order.placed', {
  schema: z.object({
    orderId: z.string(),
    customer: z.string(),
    total: z.number(),
    currency: z.string(),
    placedAt: z.string(),
    items: z.array(z.object({ sku: z.string(), quantity: z.number(), price: z.number() })),
  }),
  key: (order) => order.orderId,
})
