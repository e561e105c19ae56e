/** The number of bits of `events.pos` that hold the sequence number; the rest is the partition's id. */
export const SEQ_BITS = 44
/** Partition ids that fit beside it in SQLite's signed 64-bit integers. */
export const MAX_PARTITION_ID: number = 2 ** 19 - 1
