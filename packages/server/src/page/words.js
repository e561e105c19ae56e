// @ts-check
// Numbers and times as people read them.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/**
 * @param {number} value
 */
export function count(value) {
  return Math.abs(value) < 100_000 ? whole.format(value) : compact.format(value)
}

/**
 * @param {number} value
 */
export function rate(value) {
  return value === 0 ? '0' : value < 10 ? value.toFixed(1) : count(value)
}

/**
 * @param {number} ms
 */
export function duration(ms) {
  const seconds = ms / 1_000
  if (seconds < 1) return `${Math.max(0, Math.round(ms))} ms`
  if (seconds < 90) return `${Math.round(seconds)} s`
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`
  if (seconds < 129_600) return `${Math.round(seconds / 3_600)} h`
  return `${Math.round(seconds / 86_400)} days`
}

/**
 * @param {string} time
 */
export function ago(time) {
  const ms = Date.now() - Date.parse(time)
  return ms < 2_000 ? 'just now' : `${duration(ms)} ago`
}

/**
 * @param {string} time
 */
export function until(time) {
  const ms = Date.parse(time) - Date.now()
  return ms < 1_000 ? 'now' : `in ${duration(ms)}`
}

/**
 * @param {number} value
 */
export function bytes(value) {
  if (value < 1_024) return `${value} B`
  if (value < 1_048_576) return `${(value / 1_024).toFixed(1)} KiB`
  if (value < 1_073_741_824) return `${(value / 1_048_576).toFixed(1)} MiB`
  return `${(value / 1_073_741_824).toFixed(1)} GiB`
}

/**
 * @param {number} amount
 * @param {string} one
 * @param {string} [many]
 */
export function plural(amount, one, many = `${one}s`) {
  return `${count(amount)} ${amount === 1 ? one : many}`
}
