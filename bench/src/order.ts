/** What every contender carries: a real-looking order of about 250 bytes of JSON. */
export interface Order {
  readonly orderId: string
  readonly customer: string
  readonly total: number
  readonly currency: string
  readonly placedAt: string
  readonly items: readonly { readonly sku: string; readonly quantity: number; readonly price: number }[]
}

/** Order number `n`; a thousand keys take turns. */
export function orderOf(n: number): Order {
  return {
    orderId: `order-${n % 1_000}`,
    customer: `customer-${n}`,
    total: 129.95,
    currency: 'EUR',
    placedAt: '2026-11-20T12:00:00.000Z',
    items: [
      { sku: 'wheel-17-black', quantity: 2, price: 39.95 },
      { sku: 'shaft-04-steel', quantity: 1, price: 50.05 },
    ],
  }
}
