import { z } from 'zod'
import { defineEvent } from '../../src/index.ts'

export const OrderPlaced = defineEvent('order.placed', {
  schema: z.object({ orderId: z.string(), n: z.number().default(0) }),
  key: (order) => order.orderId,
})
