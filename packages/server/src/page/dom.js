// @ts-check
// The page writes text nodes and attributes only: nothing that comes from an event is ever parsed as HTML.

/**
 * @typedef {Record<string, string | boolean | number | undefined | ((event: Event) => void)>} Attributes
 * @typedef {Node | string | undefined | false} Child
 */

const SVG = 'http://www.w3.org/2000/svg'

/**
 * An element with attributes (`onclick` and the like are listeners) and children.
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...Child} children
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value)
    else if (value === true) element.setAttribute(name, '')
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value))
  }
  element.append(...children.filter((child) => child !== undefined && child !== false))
  return element
}

/**
 * The element of an id that the page is known to have.
 * @param {string} id
 */
export function byId(id) {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`The page has no element ${id}.`)
  return element
}

/**
 * Sets a text, and leaves the node alone when it is the same, so that selections survive.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

/**
 * Makes the children of a container those of the items, keeping elements by key, so that focus and open details survive.
 * @template Item
 * @param {Element} container
 * @param {readonly Item[]} items
 * @param {(item: Item) => string} keyOf
 * @param {(item: Item) => Element & { update?: (item: Item) => void }} create
 */
export function keyed(container, items, keyOf, create) {
  /** @type {Map<string, Element & { update?: (item: Item) => void }>} */
  const existing = new Map()
  for (const child of container.children) {
    if (child instanceof HTMLElement && child.dataset['key'] !== undefined) existing.set(child.dataset['key'], child)
  }
  const wanted = items.map((item) => {
    const key = keyOf(item)
    const element = existing.get(key) ?? create(item)
    if (element instanceof HTMLElement) element.dataset['key'] = key
    element.update?.(item)
    return element
  })
  const focused = document.activeElement
  const kept = new Set(wanted)
  for (const child of [...container.children]) if (!kept.has(child)) child.remove()
  for (const [at, element] of wanted.entries()) {
    if (container.children[at] !== element) container.insertBefore(element, container.children[at] ?? null)
  }
  // What is moved loses the focus.
  if (focused instanceof HTMLElement && focused !== document.activeElement && container.contains(focused)) {
    focused.focus({ preventScroll: true })
  }
}

/**
 * A line of values as a small chart; the scale is its own maximum.
 * @param {readonly number[]} values
 * @param {number} capacity
 */
export function sparkline(values, capacity) {
  const width = 120
  const height = 24
  const top = Math.max(1, ...values)
  const step = width / (capacity - 1)
  const offset = width - (values.length - 1) * step
  const points = values.map(
    (value, at) => `${(offset + at * step).toFixed(1)},${(height - 2 - (value / top) * (height - 5)).toFixed(1)}`,
  )
  const svg = document.createElementNS(SVG, 'svg')
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`)
  svg.setAttribute('class', 'spark')
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', `Rate over the last minute, at most ${Math.round(top)} a second`)
  const base = document.createElementNS(SVG, 'line')
  for (const [name, value] of Object.entries({ x1: 0, x2: width, y1: height - 1, y2: height - 1 })) {
    base.setAttribute(name, String(value))
  }
  svg.append(base)
  if (points.length > 1) {
    const area = document.createElementNS(SVG, 'polygon')
    area.setAttribute('points', `${offset.toFixed(1)},${height} ${points.join(' ')} ${width},${height}`)
    const line = document.createElementNS(SVG, 'polyline')
    line.setAttribute('points', points.join(' '))
    svg.append(area, line)
  }
  return svg
}
