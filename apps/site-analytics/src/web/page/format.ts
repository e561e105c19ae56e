const whole = new Intl.NumberFormat('en')
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** 7,000 and 1.2M. */
export function number(value: number): string {
  return Math.abs(value) < 100_000 ? whole.format(value) : compact.format(value)
}

export function percent(part: number, all: number): string {
  if (all === 0) return '0 %'
  const share = (part / all) * 100
  return `${share > 0 && share < 10 ? share.toFixed(1) : Math.round(share)} %`
}

/** 45 s, 3 min, 1 h 05. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')}`
}

export function clock(ms: number, withSeconds = false): string {
  return new Date(ms).toLocaleTimeString('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    ...(withSeconds ? { second: '2-digit' } : {}),
  })
}

export function dayAndTime(ms: number): string {
  const date = new Date(ms)
  const year = date.getFullYear() === new Date().getFullYear() ? {} : ({ year: 'numeric' } as const)
  return `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', ...year })}, ${clock(ms)}`
}

/** As short as an axis needs it: the year is in what bars say. */
export function axisTime(ms: number): string {
  return `${new Date(ms).toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })}, ${clock(ms)}`
}
