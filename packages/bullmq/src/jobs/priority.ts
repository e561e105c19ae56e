/** The largest priority number of BullMQ. */
const LAST = 2 ** 21
const LOWEST = -1_000

/**
 * Our priority of one of BullMQ, where 0 (none) goes first, then 1, 2, ... 0 is `normal`, 1 about `low` (-48), 10 -165, 1,000 -475. The steps
 * shrink, as what people mean by 1, 2 and 3 differs more than what they mean by 1,001, 1,002 and 1,003; jobs that get the same number keep
 * their order, since they are moved in it.
 */
export function priorityFrom(bullmq: number): number {
  if (!(bullmq > 0)) return 0
  return Math.round(LOWEST * (Math.log2(1 + Math.min(bullmq, LAST)) / Math.log2(1 + LAST)))
}
