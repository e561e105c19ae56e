import type { Summary } from '../../read-models/summary.ts'
import { element, svg } from './dom.ts'
import { axisTime, clock, dayAndTime, number } from './format.ts'

const HEIGHT = 220
const LEFT = 44
const RIGHT = 4
const TOP = 10
const BOTTOM = 24
const MINUTE_MS = 60_000
const LAYERS = ['pages', 'crawlers', 'failures'] as const

/** Draws stacked bars into a box, at the width that the box has. */
export function drawChart(box: HTMLElement, series: Summary['series'], label: string): void {
  const width = Math.max(280, box.clientWidth)
  const count = series.pages.length
  const totals = series.pages.map((_, bar) => LAYERS.reduce((sum, layer) => sum + (series[layer][bar] ?? 0), 0))
  const top = niceTop(Math.max(1, ...totals))
  const plot = { width: width - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM }
  const y = (value: number): number => TOP + plot.height * (1 - value / top)
  const picture = svg('svg', {
    viewBox: `0 0 ${width} ${HEIGHT}`,
    width,
    height: HEIGHT,
    role: 'img',
    'aria-label': label,
  })
  for (const value of [0, top / 2, top]) {
    picture.append(svg('line', { class: 'rule', x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }))
    if (Number.isInteger(value)) {
      picture.append(svg('text', { class: 'axis', x: LEFT - 8, y: y(value) + 4, 'text-anchor': 'end' }, number(value)))
    }
  }
  const slot = plot.width / count
  const gap = slot > 5 ? Math.min(3, slot * 0.25) : 0.5
  for (let bar = 0; bar < count; bar += 1) {
    const x = LEFT + bar * slot + gap / 2
    let base = 0
    for (const layer of LAYERS) {
      const value = series[layer][bar] ?? 0
      if (value === 0) continue
      const height = Math.max(1, y(base) - y(base + value))
      picture.append(
        svg('rect', {
          class: layer,
          x,
          y: y(base) - height,
          width: Math.max(1, slot - gap),
          height,
          rx: slot > 8 ? 1.5 : 0,
        }),
      )
      base += value
    }
  }
  drawTimes(picture, series, { slot, count, width })
  box.replaceChildren(picture)
  explainBars(box, picture, series, { slot, count })
}

/** What a bar says when it is pointed at. */
function explainBars(
  box: HTMLElement,
  picture: SVGElement,
  series: Summary['series'],
  { slot, count }: { slot: number; count: number },
): void {
  const mark = svg('rect', { class: 'mark', y: TOP, height: HEIGHT - TOP - BOTTOM, width: slot, visibility: 'hidden' })
  const tip = element('div', { class: 'tip', hidden: '' })
  picture.prepend(mark)
  box.append(tip)
  picture.addEventListener('pointermove', (event) => {
    const bar = Math.floor((event.clientX - picture.getBoundingClientRect().left - LEFT) / slot)
    const inside = bar >= 0 && bar < count
    tip.hidden = !inside
    mark.setAttribute('visibility', inside ? 'visible' : 'hidden')
    if (!inside) return
    const x = LEFT + bar * slot
    mark.setAttribute('x', String(x))
    const [pages, failures, crawlers] = [series.pages[bar] ?? 0, series.failures[bar] ?? 0, series.crawlers[bar] ?? 0]
    tip.replaceChildren(
      element('strong', {}, timeText(series, bar)),
      element('span', {}, `${number(pages)} pages`),
      element('span', {}, `${number(failures)} failed`),
      element('span', {}, `${number(crawlers)} by crawlers`),
    )
    tip.style.left = `${Math.min(x + slot + 8, box.clientWidth - 150)}px`
  })
  picture.addEventListener('pointerleave', () => {
    tip.hidden = true
    mark.setAttribute('visibility', 'hidden')
  })
}

function drawTimes(
  picture: SVGElement,
  series: Summary['series'],
  { slot, count, width }: { slot: number; count: number; width: number },
): void {
  const wanted = Math.max(2, Math.floor(width / 110))
  const every = Math.max(1, Math.ceil(count / wanted))
  // Marks stand where the clock is round, so that they do not wander with every minute.
  const offset = Math.floor(series.from / MINUTE_MS / series.stepMinutes) % every
  for (let bar = (every - offset) % every; bar < count; bar += every) {
    const x = LEFT + (bar + 0.5) * slot
    if (x > width - 48 || x < LEFT + 12) continue
    picture.append(
      svg('text', { class: 'axis', x, y: HEIGHT - 6, 'text-anchor': 'middle' }, timeText(series, bar, axisTime)),
    )
  }
}

function timeText({ from, stepMinutes }: Summary['series'], bar: number, long = dayAndTime): string {
  const at = from + bar * stepMinutes * MINUTE_MS
  return stepMinutes === 1 ? clock(at) : long(at)
}

function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  const step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= value) ?? 10
  return Math.max(2, step * power)
}
